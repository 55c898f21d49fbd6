// Pictures of products that were never photographed: drawn from what the product is, its colour and its material.
// The same product_id gives the same picture. A shape is a list of parts, "role what": role a is the product's colour,
// b darker, c lighter, k dark, w light, a digit behind it a stroke of that width; what is a path, or c (circle: x y r),
// r (rectangle: x y width height corner), on a field of 120 by 120.
import { el, svg } from "./dom.js";

const SHAPES = {
  sneaker: "a M17 80C16 66 20 55 25 48L40 47C45 58 53 60 61 55C69 64 82 68 95 71C103 73 106 79 105 84L17 85Z|b M62 85C66 75 70 69 74 64L82 67C77 73 75 79 74 85Z|b M17 80C16 66 20 55 25 48L31 48C27 60 28 72 30 85L17 85Z|w M15 84H106C107 92 101 95 95 95H24C17 95 15 90 15 84Z|w3 M46 61L55 53M52 66L61 58M59 70L67 62",
  heel: "a M18 86C30 86 40 80 53 66C65 53 78 43 93 40C99 47 101 58 101 66L98 96H93L90 72C80 73 72 82 60 91C46 97 26 96 18 93Z|b M90 72C93 66 96 62 101 60L101 66L98 96H93Z|c M62 58C70 60 80 58 88 52C84 47 76 49 62 58Z",
  loafer: "a M17 84C18 66 22 58 30 55L46 58C60 61 66 70 84 73C98 75 105 80 105 87L17 88Z|b M46 58C52 66 60 72 70 70L60 64C56 61 52 59 46 58Z|c M48 74H66V80H48Z|k M15 87H106V93H62L60 98H16Z",
  sandal: "b M14 86C34 78 82 82 106 86V94C106 98 100 98 96 98H22C16 98 14 94 14 86Z|a9 M28 84C34 54 50 54 56 84M68 85C74 60 94 66 97 86|c3 M42 62V74",
  boot: "a M38 20H72C72 40 71 52 76 59C86 66 101 70 103 85H36C33 62 37 40 38 20Z|b M36 20H74V32H36Z|k M34 85H104V94H62L60 97H34Z|w3 M64 44H76M65 53H78",
  tshirt: "a M45 24C51 33 69 33 75 24L99 37L90 57L80 52V100H40V52L30 57L21 37Z|b M45 24C51 33 69 33 75 24L71 22C67 28 53 28 49 22Z",
  shirt: "a M46 22L60 33L74 22L92 31L102 84L91 87L82 56V100H38V56L29 87L18 84L28 31Z|c M46 22L60 33L52 42L43 27ZM74 22L60 33L68 42L77 27Z|b2 M60 34V100|w c 60 50 1.6|w c 60 64 1.6|w c 60 78 1.6",
  sweater: "a M46 25C52 32 68 32 74 25L92 34L103 82L91 86L82 57V94H38V57L29 86L17 82L28 34Z|b M38 92H82V101H38ZM29 86L17 82L16 88L28 92ZM91 86L103 82L104 88L92 92Z|b M46 25C52 32 68 32 74 25L71 22C66 27 54 27 49 22Z|c2 M38 62H82M38 69H82",
  hoodie: "a M46 28L28 36L17 84L29 88L38 58V100H82V58L91 88L103 84L92 36L74 28Z|b M45 30C38 10 82 10 75 30C70 40 50 40 45 30Z|k M51 29C49 19 71 19 69 29C66 34 54 34 51 29Z|c M44 74H76L81 92H39Z|w2 M55 36V50M65 36V50",
  jacket: "a M46 22L60 32L74 22L92 31L101 84L89 87L84 56V99H36V56L31 87L19 84L28 31Z|b M46 22L60 32L58 58L42 30ZM74 22L60 32L62 58L78 30Z|k2 M60 40V99|b2 M42 76H53M67 76H78",
  coat: "a M46 16L60 28L74 16L90 25L98 82L87 85L83 52L88 108H32L37 52L33 85L22 82L30 25Z|b M46 16L60 28L59 60L42 26ZM74 16L60 28L61 60L78 26Z|b2 M60 50V108|k c 55 66 2|k c 55 80 2|b M36 70H84V75H36Z",
  vest: "a M46 20L60 30L74 20L85 26L81 48L88 60V100H32V60L39 48L35 26Z|b2 M34 58H86M32 70H88M32 82H88M32 93H88|k2 M60 30V100|b M46 20L60 30L74 20L72 15H48Z",
  trousers: "a M40 18H80L87 105H68L60 50L52 105H33Z|b M40 18H80L81 27H39Z|b2 M60 27V50M42 27C43 36 46 38 50 38M78 27C77 36 74 38 70 38|k c 60 22.5 1.5",
  shorts: "a M36 32H84L94 84H66L60 62L54 84H26Z|b M36 32H84L86 42H34Z|w2 M57 42V52M63 42V54",
  dress: "a M47 16L52 33C56 37 64 37 68 33L73 16L79 18C77 32 74 42 75 50C84 64 92 84 95 103C72 108 48 108 25 103C28 84 36 64 45 50C46 42 43 32 41 18Z|b M45 50H75L77 56H43Z|b2 M52 58L44 103M68 58L76 103M60 58V104",
  skirt: "a M43 28H77C86 52 94 74 97 92C74 98 46 98 23 92C26 74 34 52 43 28Z|b M43 28H77L79 37H41Z|b2 M52 38L42 94M68 38L78 94M60 38V95",
  robe: "a M46 18L60 30L74 18L90 26L104 74L90 80L82 56L88 106H32L38 56L30 80L16 74L30 26Z|c M46 18L40 22L58 62L60 58L62 62L80 22L74 18L60 46Z|b M36 62H84V70H36Z|b M56 66L52 94H58L61 70Z",
  headphones: "b7 M27 76V62C27 18 93 18 93 62V76|a r 18 62 20 34 9|a r 82 62 20 34 9|k r 33 64 7 30 3|k r 80 64 7 30 3|c r 22 68 4 18 2",
  earbuds: "a M36 40C22 40 20 62 34 66L38 96H46L48 58C52 48 46 40 36 40Z|a M84 40C98 40 100 62 86 66L82 96H74L72 58C68 48 74 40 84 40Z|k c 45 51 5|k c 75 51 5|c2 M41 74V92M79 74V92",
  speaker: "a r 34 18 52 86 12|k c 60 74 19|b c 60 74 11|c c 60 74 4|k c 60 38 10|b c 60 38 5",
  watch: "b M46 14H74L78 40H42Z|b M42 80H78L74 106H46Z|a r 36 34 48 52 14|k r 41 39 38 42 10|w3 M60 50V61L68 66|c r 84 54 4 12 2",
  band: "a M50 10H70L73 110H47Z|k r 48 34 24 52 11|w2 M54 52H66M54 60H62|c c 60 73 3|b2 M56 20H64M56 100H64",
  laptop: "a r 26 26 68 50 4|k r 30 30 60 42 2|c M36 64L52 48L62 56L74 42L84 52V66H36Z|b M14 78H106L101 88H19Z|c M50 78H70L68 81H52Z",
  tablet: "a r 30 14 60 92 8|k r 35 21 50 76 3|c M40 84L54 66L64 76L74 60L80 70V90H40Z|w c 60 101.5 2",
  keyboard: "a r 12 40 96 44 7|w r 18 46 9 9 2|w r 30 46 9 9 2|w r 42 46 9 9 2|w r 54 46 9 9 2|w r 66 46 9 9 2|w r 78 46 9 9 2|w r 90 46 12 9 2|c r 18 58 14 9 2|w r 35 58 9 9 2|w r 47 58 9 9 2|w r 59 58 9 9 2|w r 71 58 9 9 2|c r 83 58 19 9 2|w r 34 70 50 8 2",
  mouse: "a M60 22C84 22 88 42 88 64C88 90 78 102 60 102C42 102 32 90 32 64C32 42 36 22 60 22Z|b2 M60 22V54M33 56H87|k r 56 32 8 18 4",
  charger: "a r 40 34 40 46 9|k r 49 20 5 15 1|k r 66 20 5 15 1|k3 M60 80C60 104 92 92 96 108|c c 60 57 4",
  powerbank: "a r 34 14 52 92 11|c r 40 20 40 14 5|w c 48 92 2|w c 56 92 2|w c 64 92 2|b c 72 92 2|k M62 48L50 66H58L55 80L70 60H61Z",
  pan: "k M72 70L106 100L101 106L66 78Z|a c 48 54 34|b c 48 54 27|c2 M32 46C36 38 42 35 48 35",
  pot: "a M26 46H88V82C88 92 82 96 74 96H40C32 96 26 92 26 82Z|b M24 42H90V50H24Z|k M88 54L110 50V57L88 64Z|c M28 40C30 28 84 28 86 40Z|k c 57 28 4",
  mug: "a M30 32H80V86C80 94 74 98 68 98H42C36 98 30 94 30 86Z|a7 M80 46C98 42 100 76 80 76|b M30 32H80V39H30Z|c2 M38 50V84",
  bottle: "a M44 44C44 38 48 36 50 32H70C72 36 76 38 76 44V98C76 104 72 106 68 106H52C48 106 44 104 44 98Z|k r 49 14 22 17 4|b M44 56H76V74H44Z|c2 M50 46V98",
  teapot: "a M32 56C32 40 82 40 82 56C90 80 76 96 57 96C38 96 24 80 32 56Z|a7 M82 60C102 54 100 86 80 84|a M30 66C20 62 20 50 12 48L8 54C16 60 16 78 30 80Z|b M38 47C40 38 74 38 76 47Z|k c 57 37 4",
  blender: "b M36 82H84L88 106H32Z|a M38 30H82L76 82H44Z|k M36 24H84V31H36Z|w2 M66 44H75M66 54H74M66 64H72|c c 60 94 5|k r 52 16 16 9 3",
  coffee: "a r 28 18 64 86 7|k M40 44H80V84H40Z|b r 50 38 20 12 2|w M50 66H70V78C70 82 66 82 64 82H56C52 82 50 82 50 78Z|c c 40 31 4|c c 52 31 4|b M28 92H92V104H28Z",
  toaster: "a M20 54C20 44 26 40 34 40H86C94 40 100 44 100 54V94H20Z|w r 38 22 18 28 4|w r 64 22 18 28 4|b r 32 40 56 6 3|k r 92 58 8 14 3|b M20 84H100V94H20Z",
  knife: "w M16 66C40 44 66 40 82 40V56C60 62 40 68 16 66Z|a M82 38H106C110 38 110 60 104 60H82Z|k c 90 48 1.7|k c 99 48 1.7|b M80 38H85V60H80Z",
  board: "a r 26 24 68 80 9|w c 60 38 6|b2 M36 56H84M36 72H84M36 88H84",
  sofa: "a r 20 38 80 34 9|b r 10 54 18 36 8|b r 92 54 18 36 8|c r 28 62 31 20 5|c r 61 62 31 20 5|a r 22 80 76 12 4|k M24 92H30V101H24ZM90 92H96V101H90Z",
  armchair: "a r 30 24 60 52 13|b r 20 54 16 38 7|b r 84 54 16 38 7|c r 36 64 48 16 6|a r 32 78 56 14 4|k M30 92H36V102H30ZM84 92H90V102H84Z",
  office: "a r 38 14 44 46 11|b r 34 64 52 13 6|k4 M60 76V96M40 102L60 94L80 102|k c 40 103 4|k c 80 103 4|k c 60 100 4|c2 M46 30H74M46 42H74",
  stool: "a r 38 28 44 13 6|b4 M46 40L36 104M74 40L84 104|b3 M41 80H79|b3 M44 62H76",
  table: "a r 12 42 96 11 3|b M20 53H28L25 98H19ZM92 53H100L101 98H95Z|c2 M18 47H102",
  desk: "a r 12 40 96 10 3|b r 66 50 34 26 2|c2 M70 62H96|k c 83 56 1.8|k c 83 69 1.8|b M18 50H25V100H18ZM94 76H100V100H94Z",
  shelf: "a r 30 14 60 92 3|k M36 20H84V40H36ZM36 46H84V68H36ZM36 74H84V98H36Z|c M40 24H46V40H40ZM48 22H53V40H48ZM62 52H68V68H62ZM70 48H76V68H70ZM40 80H46V98H40ZM49 84H64V98H49Z",
  wardrobe: "a r 26 12 68 92 4|b2 M60 14V102|k r 54 52 3 14 1|k r 63 52 3 14 1|c2 M34 22H52V94H34ZM68 22H86V94H68Z|k M32 104H38V109H32ZM82 104H88V109H82Z",
  backpack: "b5 M46 26C46 8 74 8 74 26|a M34 44C34 22 86 22 86 44V92C86 102 80 104 74 104H46C40 104 34 102 34 92Z|b r 42 64 36 32 7|c2 M48 74H72M42 48H78|k r 56 70 8 8 2",
  handbag: "b5 M40 54C40 12 80 12 80 54|a M24 52H96L102 98C102 103 99 104 96 104H24C21 104 18 103 18 98Z|b M24 52H96L97 62H23Z|k r 54 58 12 11 3",
  tote: "b4 M44 46C44 12 76 12 76 46|a M28 42H92L98 106H22Z|c2 M34 52H86|b c 60 76 10",
  suitcase: "b4 M48 30V12H72V30|a r 30 28 60 74 9|b2 M44 30V100M60 30V100M76 30V100|k c 40 105 4|k c 80 105 4|c2 M35 40V88",
  duffel: "b4 M42 58C42 28 78 28 78 58|a r 14 48 92 48 19|b M34 48H42V96H34ZM78 48H86V96H78Z|c2 M46 56H74",
  wallet: "a r 20 36 80 54 7|b M20 52H100V58H20Z|c r 76 56 28 18 6|k c 86 65 3",
  blocks: "a r 22 60 36 36 4|b r 62 60 36 36 4|c r 42 22 36 36 4|w c 60 40 8|k c 40 78 8|w M80 68L90 88H70Z",
  puzzle: "a M26 40H50C44 24 70 24 64 40H90V62C106 56 106 82 90 78V100H26Z|b M26 40H58V70H26Z|c c 58 70 6",
  bear: "b c 38 34 11|b c 82 34 11|a c 60 46 26|a M36 76C36 64 84 64 84 76C92 100 80 108 60 108C40 108 28 100 36 76Z|c c 60 54 10|k c 50 42 3|k c 70 42 3|k c 60 50 3|c c 60 90 14",
  doll: "b M40 40C36 10 84 10 80 40L78 56H42Z|w c 60 38 17|a M50 56H70L88 104H32Z|k c 54 38 2|k c 66 38 2|c2 M54 46C58 49 62 49 66 46|b M48 62H72V68H46Z",
  car: "a M12 72C12 62 18 60 28 58L40 42C42 38 46 38 50 38H76C80 38 84 40 86 44L94 58C104 60 108 62 108 72V82H12Z|w M46 46H60V58H38ZM64 46H76L84 58H64Z|k c 34 84 12|k c 86 84 12|c c 34 84 5|c c 86 84 5",
  train: "a r 20 44 56 38 5|b r 62 26 34 56 5|w r 69 34 20 16 3|k r 28 28 11 17 2|k c 34 90 9|k c 58 90 9|k c 84 90 9|c2 M26 62H56",
  mat: "a M30 36H96C104 36 104 92 96 92H30Z|b c 30 64 28|c c 30 64 19|b c 30 64 10|c c 30 64 3|c2 M62 46H92M62 82H92",
  dumbbell: "k r 34 54 52 12 3|a r 18 34 20 52 6|a r 82 34 20 52 6|b r 10 44 10 32 4|b r 100 44 10 32 4|c2 M24 42V76M88 42V76",
  rope: "a5 M34 72C6 6 114 6 86 72|b r 29 66 11 38 5|b r 80 66 11 38 5|c2 M34 72V82M86 72V82",
  tent: "a M60 22L108 98H12Z|b M60 22L78 98H42Z|k M60 50L70 98H50Z|c2 M60 22L24 98|k2 M60 22V14",
  sleeping: "a M42 22C42 8 78 8 78 22L88 56C90 92 82 108 60 108C38 108 30 92 32 56Z|k c 60 34 14|w c 60 36 9|b2 M34 60H86M33 76H87M37 92H83",
  racket: "a5 M60 14C86 14 88 62 60 66C32 62 34 14 60 14Z|w1 M46 22V58M53 16V64M60 15V65M67 16V64M74 22V58M40 30H80M38 38H82M39 46H81M43 54H77|b M56 64H64V84H56Z|k r 55 80 10 28 4",
  jar: "a r 26 48 68 50 11|w r 34 62 52 22 4|b r 24 28 72 22 6|c2 M32 36H88|a2 M46 73H74",
  tube: "a M38 16H82L76 86H44Z|k r 46 86 28 20 4|w M46 36H74L71 64H49Z|b M38 16H82V22H38Z|a2 M54 50H66",
  mask: "a M28 22H92V102H28Z|c M40 56C40 34 80 34 80 56C80 80 68 90 60 90C52 90 40 80 40 56Z|k M48 54C50 50 55 50 57 54C55 57 50 57 48 54ZM63 54C65 50 70 50 72 54C70 57 65 57 63 54Z|k2 M54 74C58 77 62 77 66 74|b M28 22H92V28H28Z",
  lipstick: "a M50 24L70 14V50H50Z|c r 47 48 26 20 2|k r 42 66 36 40 4|b2 M55 26V48",
  polish: "k r 50 12 20 42 5|a M40 58C40 54 46 52 50 52H70C74 52 80 54 80 58V98C80 104 76 106 72 106H48C44 106 40 104 40 98Z|c2 M47 62V96",
  shampoo: "k M54 14H78V20H66V32H54Z|b r 48 30 24 12 3|a r 38 42 44 64 10|w r 44 58 32 28 3|a2 M52 68H68M52 76H62",
  perfume: "k r 52 14 16 14 3|b r 48 26 24 12 2|a M32 46C32 40 38 38 44 38H76C82 38 88 40 88 46V98C88 104 84 106 80 106H40C36 106 32 104 32 98Z|c M38 64H82V98H38Z|w2 M52 80H68",
  pen: "a M82 16L100 34L50 84L32 66Z|b M62 36L80 54L74 60L56 42Z|w M32 66L50 84L18 100Z|k1 M18 100L36 82|k M88 22L96 14L104 22L96 30Z",
  notebook: "a r 30 16 64 90 5|b M30 16H42V106H30Z|w r 52 34 32 18 3|b2 M57 40H78M57 46H70|k2 M26 28H36M26 46H36M26 64H36M26 82H36",
  lamp: "b4 M50 98L38 60L66 36|a M58 22L92 40L66 60C56 58 52 44 58 22Z|c M92 40L66 60L78 62C88 60 94 50 92 40Z|k r 28 96 46 9 4|k c 38 60 4",
  organizer: "a M24 52H96V102H24Z|b M54 52H58V102H54Z|k2 M36 52V22M44 52V30|c M64 30H76V52H64ZM80 38H90V52H80Z|b M24 72H96V76H24Z",
  watering: "a M38 48H84V96C84 100 80 102 76 102H46C42 102 38 100 38 96Z|b M38 78L14 46L20 40L38 62Z|b M8 44L20 34L26 40L14 52Z|b5 M84 56C108 52 106 92 84 90|c2 M44 56V94|b5 M48 46C48 26 74 26 74 46",
  shears: "w M56 62L22 18C40 18 56 36 64 56ZM64 62L92 18C100 34 84 54 72 62Z|k c 62 62 5|a6 M58 66C40 72 34 96 40 106M66 66C84 72 88 96 82 106",
  planter: "b M60 52C36 48 34 24 40 16C56 22 62 38 60 52ZM60 52C84 50 88 30 84 22C68 26 60 38 60 52Z|k2 M60 36V62|a M34 66H86L80 104H40Z|a r 28 56 64 13 3|b M34 69H86L85 75H35Z",
  umbrella: "k4 M60 22V106|a M10 60C14 16 106 16 110 60C100 52 90 52 82 60C76 52 66 52 60 60C54 52 44 52 38 60C30 52 20 52 10 60Z|b M60 25C46 32 40 46 38 60C44 52 54 52 60 60C66 52 76 52 82 60C80 46 74 32 60 25Z|k r 44 102 32 5 2",
  leash: "a6 M34 26C34 8 74 8 70 32C66 56 26 58 34 82C40 100 76 98 84 82|b r 22 20 22 34 10|k c 86 78 7|w c 86 78 3",
  carrier: "b5 M46 34C46 14 74 14 74 34|a M18 52C18 38 28 34 38 34H82C92 34 102 38 102 52V100H18Z|k r 30 50 40 40 8|c2 M40 50V90M50 50V90M60 50V90|b r 78 54 16 20 4",
  petbed: "a M10 74C10 52 110 52 110 74C110 106 10 106 10 74Z|c M28 74C28 62 92 62 92 74C92 88 28 88 28 74Z|b2 M18 88C40 100 80 100 102 88",
  bowl: "a M16 60H104L92 98H28Z|b M16 60C16 48 104 48 104 60C104 70 16 70 16 60Z|k M26 60C26 53 94 53 94 60C94 65 26 65 26 60Z|w M52 80H68V86H52Z|w c 52 83 5|w c 68 83 5",
  necklace: "a3 M24 18C26 66 48 84 60 84C72 84 94 66 96 18|b M60 82L72 94L60 108L48 94Z|c M60 88L66 94L60 101L54 94Z|a c 40 68 3.5|a c 80 68 3.5",
  earrings: "a4 M40 22C30 22 30 38 40 38M80 22C90 22 90 38 80 38|b2 M40 38V54M80 38V54|a M40 52L54 78L40 100L26 78ZM80 52L94 78L80 100L66 78Z|c M40 64L47 78L40 89L33 78ZM80 64L87 78L80 89L73 78Z",
  bracelet: "a9 M60 26C104 26 104 94 60 94C16 94 16 26 60 26Z|c2 M60 24C106 24 108 92 62 96|b c 60 94 9|w c 60 94 4",
  parcel: "a M18 44L60 26L102 44V88L60 106L18 88Z|b M60 62L102 44V88L60 106Z|c M18 44L60 26L102 44L60 62Z|k M38 35L80 53V66L74 63V56L32 38Z",
};

// What products are called, in both languages, by the shape that they have; the first name of a department stands for it.
const NAMES = `sneaker shoes running shoes,hiking shoes,basketball shoes,运动鞋,徒步鞋,篮球鞋|heel high heels,高跟鞋|loafer loafers,oxford shoes,slippers,乐福鞋,牛津鞋,拖鞋|sandal sandals,凉鞋|boot ankle boots,rain boots,snow boots,短靴,雨靴,雪地靴
tshirt clothing t-shirt,t恤|shirt shirt,pajamas,衬衫,睡衣|sweater sweater,毛衣|hoodie hoodie,连帽衫|jacket jacket,夹克|coat coat,大衣|vest down vest,羽绒马甲|trousers jeans,leggings,牛仔裤,打底裤|shorts shorts,短裤|dress dress,连衣裙|skirt skirt,半身裙|robe bathrobe,浴袍
headphones electronics headphones,耳机|earbuds earbuds,耳塞|speaker speaker,音箱|watch smartwatch,智能手表|band fitness tracker,健身手环|laptop laptop,笔记本电脑|tablet tablet,平板电脑|keyboard keyboard,键盘|mouse mouse,鼠标|charger charger,充电器|powerbank power bank,充电宝
teapot kitchen teapot,茶壶|pan frying pan,wok,煎锅,炒锅|pot saucepan,奶锅|mug mug,马克杯|bottle water bottle,水壶|blender blender,搅拌机|coffee coffee machine,咖啡机|toaster toaster,烤面包机|knife kitchen knife,菜刀|board cutting board,砧板
armchair furniture armchair,单人椅|sofa sofa,沙发|office office chair,办公椅|stool bar stool,吧台凳|desk desk,书桌|table coffee table,dining table,茶几,餐桌|shelf bookshelf,书架|wardrobe wardrobe,衣柜
backpack bags backpack,双肩包|handbag handbag,crossbody bag,手提包,斜挎包|tote tote bag,托特包|suitcase suitcase,行李箱|duffel duffel bag,旅行袋|wallet wallet,钱包
blocks toys building blocks,积木|puzzle puzzle,拼图|bear teddy bear,泰迪熊|doll doll,洋娃娃|car remote control car,遥控车|train train set,火车玩具
dumbbell sports dumbbells,哑铃|mat yoga mat,瑜伽垫|rope jump rope,跳绳|tent tent,帐篷|sleeping sleeping bag,睡袋|racket tennis racket,badminton racket,网球拍,羽毛球拍
perfume beauty perfume,香水|jar face cream,面霜|tube sunscreen,防晒霜|mask face mask,面膜|lipstick lipstick,口红|polish nail polish,指甲油|shampoo shampoo,洗发水
lamp office desk lamp,台灯|pen fountain pen,钢笔|notebook notebook,笔记本|organizer desk organizer,收纳盒
planter garden flower pot,花盆|watering watering can,洒水壶|shears pruning shears,修枝剪|umbrella patio umbrella,遮阳伞
bowl pets food bowl,宠物碗|leash dog leash,牵引绳|carrier pet carrier,宠物包|petbed pet bed,宠物窝
necklace jewelry necklace,项链|earrings earrings,耳环|bracelet bracelet,手链`;

const DEPARTMENTS = {};
const SHAPE_OF = [];
for (const line of NAMES.split("\n"))
  line.split("|").forEach((entry, at) => {
    const [, shape, rest] = entry.match(/^(\w+) (.*)$/);
    const names = at ? rest : rest.slice(rest.indexOf(" ") + 1);
    if (!at) DEPARTMENTS[rest.slice(0, rest.indexOf(" "))] = shape;
    names.split(",").forEach((name) => SHAPE_OF.push([name, shape]));
  });
SHAPE_OF.sort(([one], [other]) => other.length - one.length); // "desk lamp" before "desk"

const COLORS = { black: "#34353a", white: "#f1efe9", blue: "#3f6fb5", red: "#c4453d", grey: "#8b9096", gray: "#8b9096", green: "#4e8a5c", brown: "#8a5f43", pink: "#df8fa6", beige: "#d3bd9a", yellow: "#e6bd45", purple: "#7d62a8", orange: "#e0853f", silver: "#b7bdc4", gold: "#c9a24b" };
const QUIET = ["#7f9a8d", "#8b97ad", "#b59a86", "#a58fa0", "#8fa3a5", "#b3a36f"]; // where the colour is not known

// What lies over the product's colour: lines or dots of its material, on a field of 8 by 8.
const WEAVES = {
  mesh: ["c 2 2 .9", "c 6 6 .9"],
  denim: ["M0 8L8 0"],
  nylon: ["M0 8L8 0"],
  canvas: ["M0 2H8M0 6H8M2 0V8M6 0V8"],
  linen: ["M0 2H8M0 6H8M2 0V8M6 0V8"],
  rattan: ["M0 0L8 8M8 0L0 8"],
  wool: ["M0 3L2 6L4 3L6 6L8 3"],
  wood: ["M0 2C3 0 5 4 8 2M0 6C3 5 5 7 8 6"],
  bamboo: ["M2 0V8M6 0V8M0 4H2M6 4H8"],
  leather: ["c 1.5 2 .4", "c 5 6 .4"],
};
const METALS = new Set(["aluminum", "stainless steel", "glass", "ceramic", "silk", "velvet"]);
let drawn = 0;

function hash(text) {
  let h = 2166136261;
  for (const letter of String(text)) h = Math.imul(h ^ letter.codePointAt(0), 16777619);
  return h >>> 0;
}

const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const mixed = (hex, other, share) => `#${channels(hex).map((one, at) => Math.round(one + (channels(other)[at] - one) * share).toString(16).padStart(2, "0")).join("")}`;

function colorOf(product) {
  return COLORS[(product.color ?? "").toLowerCase()] ?? QUIET[hash(product.product_id) % QUIET.length];
}

function shapeOf(product) {
  const title = (product.title ?? "").toLowerCase();
  const named = SHAPE_OF.find(([name]) => title.includes(name));
  return SHAPES[named?.[1] ?? DEPARTMENTS[(product.category ?? "").toLowerCase()] ?? "parcel"];
}

// The shapes' own measure: left, top, right, bottom, from the points of their parts.
function bounds(parts) {
  const xs = [];
  const ys = [];
  for (const [, what] of parts) {
    const [kind, x, y, w, h] = what.split(" ").map((word, at) => (at && /^[cr] /.test(what) ? Number(word) : word));
    if (kind === "c") xs.push(x - w, x + w) && ys.push(y - w, y + w);
    else if (kind === "r") xs.push(x, x + w) && ys.push(y, y + h);
    else
      for (const [, command, numbers] of what.matchAll(/([MLCHV])([^MLCHVZ]*)/g))
        numbers.trim().split(/[ ,]+/).forEach((number, at) => (command === "H" || (command !== "V" && at % 2 === 0) ? xs : ys).push(Number(number)));
  }
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

// As large as the field allows, standing on the ground, and every third one looks the other way.
function placed(parts, mirrored) {
  const [left, top, right, bottom] = bounds(parts);
  const scale = Math.min(100 / (right - left), 88 / (bottom - top), 1.3);
  const middle = ((left + right) / 2) * scale;
  return mirrored ? `translate(${60 + middle} ${106 - bottom * scale}) scale(${-scale} ${scale})` : `translate(${60 - middle} ${106 - bottom * scale}) scale(${scale})`;
}

function form(what) {
  const [kind, ...numbers] = what.split(" ");
  if (kind === "c") return ["circle", { cx: numbers[0], cy: numbers[1], r: numbers[2] }];
  if (kind === "r") return ["rect", { x: numbers[0], y: numbers[1], width: numbers[2], height: numbers[3], rx: numbers[4] }];
  return ["path", { d: what }];
}

// An <svg> of the product. Without a `label` it is decoration: the title stands beside it.
export function picture(product, label) {
  const seed = hash(product.product_id);
  const main = colorOf(product);
  const paints = { a: main, b: mixed(main, "#14161c", 0.26), c: mixed(main, "#ffffff", 0.42), k: "#2b2c31", w: "#fbfaf6" };
  const material = (product.material ?? "").toLowerCase();
  const id = `weave-${(drawn += 1)}`;
  const dark = mixed(main, "#14161c", 0.45);
  const pale = Math.min(...channels(main)) > 140;
  const parts = shapeOf(product).split("|").map((part) => [part.slice(0, part.indexOf(" ")), part.slice(part.indexOf(" ") + 1)]);
  const things = parts.map(([[role, width], what]) => {
    const [tag, attributes] = form(what);
    if (width) return svg(tag, { ...attributes, fill: "none", stroke: paints[role], "stroke-width": width, "stroke-linecap": "round", "stroke-linejoin": "round" });
    const edge = pale && "ac".includes(role) ? { stroke: paints.b, "stroke-width": 0.6 } : {};
    const bare = svg(tag, { ...attributes, ...edge, fill: paints[role] });
    return role === "a" && (WEAVES[material] || METALS.has(material)) ? [bare, svg(tag, { ...attributes, fill: `url(#${id})` })] : bare;
  });
  const root = svg(
    "svg",
    { class: "pic", viewBox: "0 0 120 120", ...(label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" }) },
    over(material, id, dark),
    svg("ellipse", { cx: 60, cy: 107, rx: 42, ry: 3, class: "ground" }),
    svg("g", { transform: placed(parts, seed % 3 === 0) }, things),
  );
  root.style.setProperty("--tint", String((seed >>> 3) % 360));
  return root;
}

function over(material, id, dark) {
  if (METALS.has(material)) {
    const stop = (offset, opacity) => svg("stop", { offset, "stop-color": "#fff", "stop-opacity": opacity });
    return svg("linearGradient", { id, x1: 0, y1: 0, x2: 1, y2: 0.5 }, stop(0, 0), stop(0.35, 0.45), stop(0.5, 0.05), stop(0.75, 0.25), stop(1, 0));
  }
  if (!WEAVES[material]) return null;
  const lines = WEAVES[material].map((what) => {
    const [tag, attributes] = form(what);
    return svg(tag, tag === "path" ? { ...attributes, fill: "none", stroke: dark, "stroke-width": 0.6, "stroke-opacity": 0.5 } : { ...attributes, fill: dark, "fill-opacity": 0.35 });
  });
  return svg("pattern", { id, width: 8, height: 8, patternUnits: "userSpaceOnUse" }, lines);
}

// A dot of a colour beside its name, where the colour is one that can be drawn.
export function swatch(name) {
  const dot = el("i", { class: "swatch", "aria-hidden": "true" });
  dot.style.setProperty("background-color", COLORS[name.toLowerCase()] ?? "transparent");
  return dot;
}
