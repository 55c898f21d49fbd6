"""The vocabulary of the demo store: what it sells, in English and Chinese, and the other words shoppers use for it.

`name` and `zh` are what product texts say. `other` and `other_zh` are what only shoppers say: no text of the product
meant has them, and no product text or training query has those marked with *. Nothing outside
`model_export.demo_store` may import this module: a synonym list in the index, the data sets or the tests of search
would answer the question that the store asks.
"""

from typing import NamedTuple


class Word(NamedTuple):
    """One thing with a name in each language; `other*` are comma-separated synonyms, * marks the held-out ones."""

    name: str
    zh: str
    other: str = ""
    other_zh: str = ""

    def synonyms(self, lang: str, held_out: bool) -> list[str]:
        """The training synonyms in `lang` ("en" or "zh"), or the held-out ones."""
        listed = [s for s in (self.other if lang == "en" else self.other_zh).split(", ") if s]
        return [s.lstrip("*") for s in listed if s.startswith("*") == held_out]

    def said(self, lang: str) -> str:
        return self.name if lang == "en" else self.zh


class Article(NamedTuple):
    """A product type: its word, where it stands in the shop, and its median price in USD."""

    word: Word
    category: str
    family: str
    price_usd: float


class Category(NamedTuple):
    """A department: its share of articles, and what its products may be. Lists run from frequent to rare."""

    name: str
    share: float
    brands: list[str]
    colors: list[str]
    materials: list[str]
    styles: list[str]
    sizes: list[str]


def _listed(text: str) -> list[str]:
    return [part for part in text.split(", ") if part]


COLORS = {
    word.name: word
    for word in (
        Word("black", "黑色", "ebony, onyx, *jet-colored", "乌黑, *纯黑"),
        Word("white", "白色", "ivory, snowy", "雪白, 纯白"),
        Word("blue", "蓝色", "navy, azure, *cobalt", "天蓝, *海蓝"),
        Word("red", "红色", "crimson, ruby, scarlet", "大红, 朱红"),
        Word("grey", "灰色", "charcoal, gray, *ash", "炭灰, *浅灰"),
        Word("green", "绿色", "emerald, olive, jade", "翠绿, 墨绿"),
        Word("brown", "棕色", "chocolate, *chestnut", "咖啡色, *深棕"),
        Word("pink", "粉色", "blush, rose, fuchsia", "粉红, 桃粉"),
        Word("beige", "米色", "ecru, *sand", "杏色, *米黄"),
        Word("yellow", "黄色", "lemon, mustard", "鹅黄, 明黄"),
        Word("purple", "紫色", "violet, lavender, *plum", "紫罗兰, *浅紫"),
        Word("orange", "橙色", "tangerine, apricot", "橘色, 橘红"),
        Word("silver", "银色", "chrome, *silvery", "银白, *亮银"),
        Word("gold", "金色", "golden, gilded", "香槟金, 亮金"),
    )
}
STYLES = {
    word.name: word
    for word in (
        Word("fashion", "时尚", "trendy, stylish, *chic", "潮流, *时髦"),
        Word("casual", "休闲", "laid-back, informal", "随性, 悠闲"),
        Word("waterproof", "防水", "rainproof, *watertight", "防雨, *防泼水"),
        Word("wireless", "无线", "cordless, cable-free", "蓝牙, 免线"),
        Word("lightweight", "轻便", "ultralight, *weightless", "轻盈, *轻量"),
        Word("breathable", "透气", "airy, ventilated", "通风, 透风"),
        Word("vintage", "复古", "retro, *old-fashioned", "怀旧, *古典"),
        Word("minimalist", "简约", "simple, understated", "极简, 简单"),
        Word("classic", "经典", "timeless, *traditional", "百搭, *传统"),
        Word("warm", "保暖", "cozy, toasty", "暖和, 御寒"),
        Word("elegant", "优雅", "classy, *graceful", "气质, *高雅"),
        Word("slim", "修身", "fitted, narrow", "紧身, 显瘦"),
        Word("oversized", "宽松", "baggy, *loose", "肥大, *宽大"),
        Word("non-slip", "防滑", "anti-skid, grippy", "止滑, 不打滑"),
        Word("smart", "智能", "intelligent, *connected", "智慧, *聪明"),
        Word("fast-charging", "快充", "quick-charge, rapid-charge", "闪充, 快速充电"),
        Word("foldable", "折叠", "collapsible, *fold-up", "可收起, *能折起来"),
        Word("portable", "便携", "travel-size, on-the-go", "随身, 方便携带"),
        Word("ergonomic", "人体工学", "posture-friendly, *body-contoured", "护腰, *符合人体"),
        Word("modern", "现代", "contemporary, up-to-date", "摩登, 当代"),
        Word("rustic", "乡村", "farmhouse, *countryside", "田园, *农家"),
        Word("non-stick", "不粘", "easy-release, teflon", "不沾, 防粘"),
        Word("educational", "益智", "learning, *brainy", "早教, *开发智力"),
        Word("interactive", "互动", "responsive, engaging", "会动, 有反应"),
        Word("professional", "专业", "pro, *expert", "高手, *专家级"),
        Word("beginner", "入门", "starter, novice", "新手, 初学"),
        Word("organic", "有机", "natural, *bio", "天然, *无添加"),
        Word("moisturizing", "保湿", "hydrating, nourishing", "补水, 滋润"),
        Word("long-lasting", "持久", "enduring, *durable", "长效, *耐久"),
        Word("quiet", "静音", "silent, noiseless", "无声, 安静"),
        Word("adjustable", "可调节", "tunable, *changeable", "可调整, *能调"),
        Word("cute", "可爱", "adorable, sweet", "萌系, 呆萌"),
        Word("luxury", "奢华", "premium, *opulent", "豪华, *高档"),
    )
}
MATERIALS = {
    word.name: word
    for word in (
        Word("mesh", "网面", "netting, knitted", "网布, 网眼"),
        Word("leather", "真皮", "cowhide, *calfskin", "牛皮, *皮革"),
        Word("canvas", "帆布", "sailcloth, duck cloth", "厚布, 粗布"),
        Word("suede", "绒面革", "nubuck, *buckskin", "麂皮, *反绒皮"),
        Word("cotton", "纯棉", "terry, jersey", "全棉, 棉质"),
        Word("polyester", "涤纶", "synthetic, *microfiber", "化纤, *聚酯"),
        Word("wool", "羊毛", "merino, woolly", "毛料, 羊绒"),
        Word("denim", "丹宁", "chambray, *serge", "劳动布, *丹宁布料"),
        Word("linen", "亚麻", "flax, ramie", "麻料, 麻布"),
        Word("silk", "真丝", "satin, *silken", "绸缎, *丝绸"),
        Word("nylon", "尼龙", "polyamide, ripstop", "锦纶, 尼龙布料"),
        Word("plastic", "塑料", "polymer, *acrylic", "树脂, *塑胶"),
        Word("aluminum", "铝合金", "aluminium, alloy", "铝制, 航空铝"),
        Word("stainless steel", "不锈钢", "inox, *rustproof metal", "钢制, *防锈钢"),
        Word("ceramic", "陶瓷", "porcelain, earthenware", "瓷器, 陶制"),
        Word("glass", "玻璃", "crystal, *see-through", "水晶, *透明"),
        Word("wood", "实木", "timber, oak", "木头, 原木"),
        Word("velvet", "丝绒", "velour, *velvety", "天鹅绒, *绒布"),
        Word("rattan", "藤编", "wicker, cane", "藤条, 藤制"),
        Word("bamboo", "竹制", "", "竹子, *竹木"),
        Word("silicone", "硅胶", "rubbery, gel", "软胶, 食品级胶"),
        Word("rubber", "橡胶", "latex, *elastomer", "乳胶, *胶皮"),
    )
}

# family -> its materials, where those of its category would be odd
FAMILY_MATERIALS = {
    family: _listed(materials)
    for family, materials in {
        "athletic shoes": "mesh, leather, suede, canvas",
        "dress shoes": "leather, suede, velvet",
        "boots": "leather, rubber, suede",
        "outerwear": "polyester, wool, nylon, denim",
        "bottoms": "denim, cotton, polyester, linen",
        "nightwear": "cotton, silk, polyester",
        "computing": "aluminum, plastic",
        "cookware": "stainless steel, aluminum, ceramic",
        "drinkware": "ceramic, glass, stainless steel",
        "small appliances": "plastic, stainless steel, glass",
        "cutlery": "stainless steel, wood, bamboo, ceramic",
        "tables": "wood, glass, bamboo",
        "storage": "wood, rattan, bamboo",
        "construction": "wood, plastic",
        "soft toys": "cotton, polyester, velvet",
        "vehicles": "plastic, wood",
    }.items()
}

_CLOTHES, _FEET = "M, L, S, XL, XS, XXL", "42, 41, 43, 40, 39, 38, 44, 37, 36, 45"
CATEGORIES = [
    Category(name, share, _listed(brands), _listed(colors), _listed(materials), _listed(styles), _listed(sizes))
    for name, share, brands, colors, materials, styles, sizes in (
        ("clothing", 0.20, "Lumora, Brindlewear, Casaleno, Northquill, Ottavia, Fennick, Wovenly, Halden",
         "black, white, blue, grey, red, green, beige, pink, brown, yellow, purple, orange",
         "cotton, polyester, wool, linen, denim, silk",
         "fashion, casual, slim, oversized, warm, vintage, elegant, breathable, waterproof", _CLOTHES),
        ("shoes", 0.16, "Strivo, Velorun, Pasolino, Trekkora, Montarel, Sollea, Nordfell, Kestrane",
         "black, white, red, blue, brown, grey, pink, green, beige, yellow",
         "mesh, leather, canvas, suede, rubber",
         "casual, lightweight, breathable, waterproof, fashion, non-slip, classic, warm, elegant", _FEET),
        ("electronics", 0.13, "Voltari, Auraline, Nexibyte, Pulsen, Quintek, Solvane, Zephon",
         "black, white, silver, grey, blue, red", "plastic, aluminum, silicone",
         "wireless, smart, portable, fast-charging, waterproof, foldable, professional", ""),
        ("kitchen", 0.10, "Saltwick, Mesado, Cookhaven, Ferrona, Panaro, Teaforge",
         "black, silver, white, red, green, blue", "stainless steel, ceramic, glass, silicone, bamboo, wood",
         "non-stick, classic, modern, portable, quiet, professional, foldable", "24 cm, 20 cm, 28 cm, 1 l, 2 l"),
        ("furniture", 0.08, "Oakmere, Hollin, Nestora, Fjordal, Casberg, Timberel",
         "brown, grey, white, black, beige, green, blue", "wood, velvet, leather, rattan, linen",
         "modern, minimalist, rustic, vintage, foldable, ergonomic, adjustable", "120 cm, 80 cm, 160 cm, 200 cm"),
        ("bags", 0.07, "Carrolane, Tottori, Baggenio, Wayfold, Satchmere, Pellano",
         "black, brown, blue, red, beige, grey, pink, green", "leather, canvas, nylon, polyester",
         "fashion, casual, waterproof, vintage, lightweight, foldable, luxury", "M, S, L"),
        ("toys", 0.06, "Tumbleton, Joybrick, Piplo, Kidoza, Wobblekin, Marbello",
         "red, blue, yellow, green, pink, orange, white", "plastic, wood, cotton, silicone",
         "educational, cute, interactive, classic, portable", ""),
        ("sports", 0.05, "Apexio, Flexora, Ridgeback, Sprinto, Bouldra, Paddlon",
         "black, blue, green, purple, red, pink, orange", "rubber, nylon, aluminum, silicone",
         "professional, beginner, portable, adjustable, non-slip, foldable, lightweight", "M, L, S"),
        ("beauty", 0.05, "Dermisse, Petalune, Velourette, Glowen, Aquabelle, Rosmira",
         "red, pink, orange, purple, brown", "",
         "moisturizing, organic, long-lasting, luxury, lightweight, waterproof", "50 ml, 30 ml, 100 ml, 200 ml"),
        ("office", 0.03, "Papelle, Deskara, Inkworth, Clerkson, Notary", "black, white, blue, grey, red",
         "plastic, wood, aluminum, leather", "minimalist, classic, professional, portable, adjustable, cute", ""),
        ("garden", 0.03, "Greenhollow, Terravine, Bloomery, Spadell, Mosswell", "green, brown, black, white, orange",
         "plastic, aluminum, wood, ceramic, rattan", "foldable, rustic, modern, lightweight, professional", "L, M, S"),
        ("pets", 0.02, "Pawsley, Whiskero, Furrow, Barkwell, Tailwind", "grey, brown, blue, pink, red, black",
         "nylon, cotton, plastic, stainless steel", "cute, adjustable, warm, non-slip, foldable, quiet", "M, S, L"),
        ("jewelry", 0.02, "Orellia, Gemmaro, Luxanne, Perline", "gold, silver, pink, white, blue",
         "stainless steel, leather, glass", "elegant, minimalist, vintage, luxury, cute", ""),
    )
]  # fmt: skip

# (category, family): then name, Chinese name, median price in USD, synonyms in English, in Chinese
_RANGE: dict[tuple[str, str], list[tuple[str, str, float, str, str]]] = {
    ("shoes", "athletic shoes"): [
        ("running shoes", "运动鞋", 58, "sneakers, trainers, *kicks", "球鞋, 跑鞋, *跑步鞋"),
        ("hiking shoes", "徒步鞋", 84, "trekking shoes, *rambling shoes", "登山鞋, *远足鞋"),
        ("basketball shoes", "篮球鞋", 92, "hoops shoes, court shoes", "实战鞋, 打篮球的鞋")],
    ("shoes", "dress shoes"): [
        ("high heels", "高跟鞋", 66, "stilettos, *pumps", "细跟鞋, *恨天高"),
        ("loafers", "乐福鞋", 62, "slip-ons, moccasins", "一脚蹬, 懒人鞋"),
        ("oxford shoes", "牛津鞋", 96, "brogues, *derbies", "正装鞋, *系带皮鞋")],
    ("shoes", "open shoes"): [
        ("sandals", "凉鞋", 35, "huaraches, espadrilles", "罗马鞋, 沙滩鞋"),
        ("slippers", "拖鞋", 19, "mules, *scuffs", "家居鞋, *凉拖")],
    ("shoes", "boots"): [
        ("ankle boots", "短靴", 88, "booties, chelseas", "裸靴, 踝靴"),
        ("rain boots", "雨靴", 42, "wellies, *galoshes", "水鞋, *雨鞋"),
        ("snow boots", "雪地靴", 79, "moon boots, arctic boots", "棉靴, 雪靴")],
    ("clothing", "tops"): [
        ("t-shirt", "T恤", 19, "tee, *crewneck", "短袖, *圆领衫"),
        ("shirt", "衬衫", 34, "button-down, blouse", "衬衣, 正装上衣"),
        ("sweater", "毛衣", 48, "pullover, jumper, *knitwear", "针织衫, *毛线衣"),
        ("hoodie", "连帽衫", 42, "sweatshirt, fleece top", "卫衣, 带帽上衣")],
    ("clothing", "outerwear"): [
        ("jacket", "夹克", 79, "windbreaker, *blazer", "外套, *短外衣"),
        ("coat", "大衣", 128, "parka, overcoat", "风衣, 长外衣"),
        ("down vest", "羽绒马甲", 62, "bodywarmer, *gilet", "羽绒背心, *坎肩")],
    ("clothing", "bottoms"): [
        ("jeans", "牛仔裤", 52, "dungarees, levis-style trousers", "单宁裤, 牛仔长裤"),
        ("shorts", "短裤", 26, "bermudas, *trunks", "五分裤, *热裤"),
        ("leggings", "打底裤", 24, "tights, yoga bottoms", "紧身裤, 弹力裤")],
    ("clothing", "dresses"): [
        ("dress", "连衣裙", 56, "gown, frock, *sundress", "裙子, *连身裙"),
        ("skirt", "半身裙", 36, "kilt, tutu", "短裙, 半裙")],
    ("clothing", "nightwear"): [
        ("pajamas", "睡衣", 38, "sleepwear, *pyjamas", "家居服, *睡觉穿的衣服"),
        ("bathrobe", "浴袍", 44, "dressing gown, robe", "浴衣, 睡袍")],
    ("electronics", "audio"): [
        ("headphones", "耳机", 74, "earphones, headset, *earpieces", "耳麦, *头戴耳塞"),
        ("earbuds", "耳塞", 49, "in-ears, airpods-style buds", "入耳式, 豆豆耳塞机"),
        ("speaker", "音箱", 66, "boombox, *loudspeaker", "音响, *喇叭")],
    ("electronics", "wearables"): [
        ("smartwatch", "智能手表", 138, "wrist computer, wristwatch", "腕表, 电子表"),
        ("fitness tracker", "健身手环", 46, "activity band, *pedometer", "计步器, *运动腕带")],
    ("electronics", "computing"): [
        ("laptop", "笔记本电脑", 720, "notebook computer, ultrabook", "手提电脑, 便携机"),
        ("tablet", "平板电脑", 310, "slate, *ipad-style device", "平板机, *触屏电脑"),
        ("keyboard", "键盘", 58, "keypad, typing board", "打字板, 机械键板"),
        ("mouse", "鼠标", 27, "pointing device, *clicker", "滑鼠, *鼠标器")],
    ("electronics", "charging"): [
        ("charger", "充电器", 23, "power adapter, plug", "充电头, 电源头"),
        ("power bank", "充电宝", 36, "battery pack, *juice pack", "移动电源, *充电电池包")],
    ("kitchen", "cookware"): [
        ("frying pan", "煎锅", 36, "skillet, griddle", "平底锅, 煎盘"),
        ("saucepan", "奶锅", 32, "cooking pot, *milk warmer", "小煮锅, *热奶锅"),
        ("wok", "炒锅", 45, "stir-fryer, asian pan", "铁锅, 炒菜锅")],
    ("kitchen", "drinkware"): [
        ("mug", "马克杯", 12, "cup, *beaker", "杯子, *咖啡杯"),
        ("water bottle", "水壶", 18, "flask, canteen", "水杯, 水瓶"),
        ("teapot", "茶壶", 29, "tea kettle, *tea brewer", "泡茶器, *茶具")],
    ("kitchen", "small appliances"): [
        ("blender", "搅拌机", 59, "smoothie maker, liquidizer", "榨汁机, 破壁机"),
        ("coffee machine", "咖啡机", 145, "espresso maker, *percolator", "意式机, *冲咖啡机器"),
        ("toaster", "烤面包机", 41, "bread browner, crisper", "多士炉, 吐司机")],
    ("kitchen", "cutlery"): [
        ("kitchen knife", "菜刀", 33, "cleaver, *carver", "厨刀, *切菜刀"),
        ("cutting board", "砧板", 21, "chopping block, carving slab", "菜板, 切菜板")],
    ("furniture", "seating"): [
        ("sofa", "沙发", 540, "couch, *settee", "长椅子, *布艺座椅"),
        ("armchair", "单人椅", 260, "recliner, lounger", "安乐椅, 扶手座"),
        ("office chair", "办公椅", 175, "desk seat, *swivel seat", "电脑椅, *转椅"),
        ("bar stool", "吧台凳", 85, "counter seat, high perch", "高脚凳, 吧凳")],
    ("furniture", "tables"): [
        ("desk", "书桌", 220, "workstation, *writing table", "写字台, *电脑桌"),
        ("coffee table", "茶几", 145, "cocktail table, low table", "客厅桌, 小茶桌"),
        ("dining table", "餐桌", 380, "supper table, *eating table", "饭桌, *吃饭桌子")],
    ("furniture", "storage"): [
        ("bookshelf", "书架", 135, "bookcase, book rack", "书柜, 置书架"),
        ("wardrobe", "衣柜", 410, "armoire, *closet", "衣橱, *大立柜")],
    ("bags", "carried bags"): [
        ("backpack", "双肩包", 54, "rucksack, knapsack", "背包, 书包"),
        ("handbag", "手提包", 82, "purse, *clutch", "女包, *拎包"),
        ("tote bag", "托特包", 39, "shopper, carryall", "购物袋, 大手袋"),
        ("crossbody bag", "斜挎包", 47, "messenger, *sling", "单肩包, *邮差包")],
    ("bags", "travel bags"): [
        ("suitcase", "行李箱", 118, "luggage, trolley case", "拉杆箱, 旅行箱"),
        ("duffel bag", "旅行袋", 64, "holdall, *overnighter", "大行李袋, *出差包")],
    ("bags", "small goods"): [
        ("wallet", "钱包", 34, "billfold, card holder", "皮夹, 钱夹")],
    ("toys", "construction"): [
        ("building blocks", "积木", 31, "construction bricks, *stacking cubes", "拼插玩具, *搭搭乐"),
        ("puzzle", "拼图", 17, "jigsaw, brain teaser", "拼板, 七巧板")],
    ("toys", "soft toys"): [
        ("teddy bear", "泰迪熊", 24, "stuffed animal, *cuddly toy", "玩具熊, *小熊公仔"),
        ("doll", "洋娃娃", 28, "figurine, dolly", "公仔, 娃娃玩偶")],
    ("toys", "vehicles"): [
        ("remote control car", "遥控车", 46, "rc racer, *radio-controlled vehicle", "遥控赛车, *电动小汽车"),
        ("train set", "火车玩具", 52, "model railway, locomotive kit", "轨道车, 小火车")],
    ("sports", "fitness"): [
        ("yoga mat", "瑜伽垫", 29, "exercise pad, *pilates rug", "健身垫, *瑜伽毯"),
        ("dumbbells", "哑铃", 45, "free weights, barbells", "手铃, 举重器材"),
        ("jump rope", "跳绳", 14, "skipping cord, *speed cord", "跳跳绳, *跳神器")],
    ("sports", "outdoor gear"): [
        ("tent", "帐篷", 145, "camping shelter, canopy", "露营屋, 帐幕"),
        ("sleeping bag", "睡袋", 68, "bedroll, *camp cocoon", "露营被, *野营睡具")],
    ("sports", "racket sports"): [
        ("tennis racket", "网球拍", 86, "tennis bat, tennis paddle", "网拍, 打网球的拍子"),
        ("badminton racket", "羽毛球拍", 42, "shuttlecock bat, *birdie paddle", "羽拍, *羽毛球杆")],
    ("beauty", "skin care"): [
        ("face cream", "面霜", 34, "facial lotion, skin balm", "润肤乳, 擦脸霜"),
        ("sunscreen", "防晒霜", 22, "sunblock, *spf lotion", "防晒乳, *太阳霜"),
        ("face mask", "面膜", 18, "sheet pack, facial treatment", "敷脸膜, 脸部贴膜")],
    ("beauty", "make-up"): [
        ("lipstick", "口红", 21, "lip color, *rouge", "唇膏, *唇彩"),
        ("nail polish", "指甲油", 11, "varnish, lacquer", "美甲胶, 指甲彩")],
    ("beauty", "hair and scent"): [
        ("shampoo", "洗发水", 16, "hair wash, *hair cleanser", "洗头膏, *洗发露"),
        ("perfume", "香水", 74, "fragrance, cologne", "香氛, 淡香精")],
    ("office", "writing"): [
        ("fountain pen", "钢笔", 42, "nib writer, *calligraphy stylus", "墨水笔, *自来水笔"),
        ("notebook", "笔记本", 13, "journal, jotter", "记事本, 本子")],
    ("office", "desk gear"): [
        ("desk lamp", "台灯", 38, "reading light, *lantern", "桌灯, *护眼灯"),
        ("desk organizer", "收纳盒", 24, "stationery caddy, tidy tray", "置物盒, 桌面整理架")],
    ("garden", "garden tools"): [
        ("watering can", "洒水壶", 22, "sprinkling jug, *plant waterer", "浇花壶, *喷壶"),
        ("pruning shears", "修枝剪", 27, "secateurs, hedge clippers", "园艺剪刀, 剪枝刀")],
    ("garden", "garden living"): [
        ("flower pot", "花盆", 19, "planter, *plant tub", "花钵, *种花盆"),
        ("patio umbrella", "遮阳伞", 96, "parasol, sunshade", "太阳伞, 户外大伞")],
    ("pets", "pet walking"): [
        ("dog leash", "牵引绳", 19, "puppy lead, *hound tether", "狗绳, *遛狗绳"),
        ("pet carrier", "宠物包", 48, "animal crate, kitty transporter", "猫包, 猫狗外出箱")],
    ("pets", "pet home"): [
        ("pet bed", "宠物窝", 39, "puppy basket, *animal cushion", "狗窝, *猫狗垫"),
        ("food bowl", "宠物碗", 15, "feeding dish, kibble tray", "食盆, 狗碗")],
    ("jewelry", "worn jewelry"): [
        ("necklace", "项链", 58, "pendant, *choker", "吊坠, *锁骨链"),
        ("earrings", "耳环", 36, "studs, hoops jewelry", "耳钉, 耳坠"),
        ("bracelet", "手链", 44, "bangle, *wristlet", "手镯, *手串")],
}  # fmt: skip
ARTICLES = [
    Article(Word(name, zh, other, other_zh), category, family, price_usd)
    for (category, family), rows in _RANGE.items()
    for name, zh, price_usd, other, other_zh in rows
]

# A hypernym covers a family or, named like one, a whole category. No product of it says the word.
HYPERNYMS: dict[str, Word] = {
    "shoes": Word("shoes", "", "footwear, footgear", "鞋履, 脚上穿的"),
    "athletic shoes": Word("athletic shoes", "", "athleisure footwear, *sporty footgear", "运动足装, *健身足装"),
    "boots": Word("boots", "", "cold-weather footwear, bad-weather footgear", "冬季足装, 雨雪足装"),
    "clothing": Word("clothing", "", "apparel, garments, *attire", "服装, 服饰, *衣着"),
    "outerwear": Word("outerwear", "", "outerwear, overgarments", "外穿衣物, 外罩衫"),
    "electronics": Word("electronics", "", "gadgets, *tech", "数码, *数码电器"),
    "audio": Word("audio", "", "audio gear, sound equipment", "音频设备, 听歌设备"),
    "kitchen": Word("kitchen", "", "kitchenware, *culinary tools", "厨具, *厨房用具"),
    "cookware": Word("cookware", "", "cookware, casseroles", "锅具, 锅类"),
    "drinkware": Word("drinkware", "", "drinkware, *barware", "杯壶, *饮具"),
    "furniture": Word("furniture", "", "furnishings, home decor", "家具, 家居陈设"),
    "seating": Word("seating", "", "seating, *places to sit", "座具, *坐具"),
    "bags": Word("bags", "", "carriers, totables", "箱包, 包类"),
    "toys": Word("toys", "", "playthings, *kids gifts", "儿童玩物, *小玩意"),
    "sports": Word("sports", "", "workout equipment, athletics kit", "体育用品, 体育器械"),
    "beauty": Word("beauty", "", "cosmetics, *toiletries", "化妆品, *美妆"),
    "office": Word("office", "", "stationery supplies, workplace supplies", "文具, 文具用品"),
    "garden": Word("garden", "", "horticulture, *backyard stuff", "园艺用品, *庭院用品"),
    "pets": Word("pets", "", "critter supplies, pet-owner stuff", "萌宠用品, 养宠用品"),
    "jewelry": Word("jewelry", "", "jewellery, *accessories", "首饰, *饰品"),
}

# family -> what it is used for, in English and Chinese; descriptions draw one
USES: dict[str, list[tuple[str, str]]] = {
    "athletic shoes": [
        ("jogs in the park and daily training", "跑步和日常训练"),
        ("long days on your feet", "长时间行走"),
    ],
    "dress shoes": [("the office and weddings", "上班和婚礼"), ("evenings out", "晚宴聚会")],
    "open shoes": [("hot days by the sea", "夏天海边"), ("relaxing at home", "居家放松")],
    "boots": [("wet and icy streets", "雨雪天气出行"), ("autumn walks", "秋季散步")],
    "tops": [("mixing with other pieces", "日常搭配"), ("school and weekends", "上学和周末")],
    "outerwear": [("windy days", "大风天气"), ("the way to work", "通勤路上")],
    "bottoms": [("city walks and travel", "逛街和旅行"), ("training and leisure", "锻炼和休息")],
    "dresses": [("parties and dates", "聚会和约会"), ("holidays in summer", "夏日度假")],
    "nightwear": [("a good night", "安睡一整晚"), ("slow mornings", "慵懒的早晨")],
    "audio": [("music on the train", "路上听音乐"), ("calls and films", "通话和看电影")],
    "wearables": [("counting steps and sleep", "记录步数和睡眠"), ("training by heart rate", "心率训练")],
    "computing": [("study and work from home", "学习和居家办公"), ("games and video editing", "游戏和剪辑视频")],
    "charging": [("phones on long trips", "长途旅行给手机供电"), ("several devices at once", "同时给多台设备供电")],
    "cookware": [("eggs, fish and vegetables", "煎蛋煎鱼和炒蔬菜"), ("family dinners", "家庭晚餐")],
    "drinkware": [("hot drinks at the desk", "办公室热饮"), ("picnics and commuting", "野餐和通勤")],
    "small appliances": [("quick breakfasts", "快速早餐"), ("small kitchens", "小厨房")],
    "cutlery": [("meat, bread and herbs", "切肉切面包"), ("home chefs", "家庭厨师")],
    "seating": [("living rooms", "客厅"), ("hours of reading", "长时间阅读")],
    "tables": [("small flats", "小户型"), ("family gatherings", "家人聚会")],
    "storage": [("tidy bedrooms", "整洁的卧室"), ("small corners", "狭小角落")],
    "carried bags": [("school and commuting", "上学和通勤"), ("a day in the city", "城市出行")],
    "travel bags": [("flights and road trips", "乘机和自驾"), ("business trips", "商务出差")],
    "small goods": [("coins and cards", "硬币和卡片"), ("a gift for him", "送给他的礼物")],
    "construction": [("rainy afternoons", "雨天的下午"), ("children from four years", "四岁以上儿童")],
    "soft toys": [("bedtime", "陪伴入睡"), ("toddlers", "幼儿")],
    "vehicles": [("birthday presents", "生日礼物"), ("the playroom", "游戏房")],
    "fitness": [("home workouts", "居家锻炼"), ("stretching after a run", "跑后拉伸")],
    "outdoor gear": [("nights in the mountains", "山里过夜"), ("festivals", "音乐节")],
    "racket sports": [("club matches", "俱乐部比赛"), ("family fun outdoors", "全家户外娱乐")],
    "skin care": [("dry and sensitive skin", "干性敏感肌"), ("morning and evening care", "早晚护理")],
    "make-up": [("an evening look", "晚间妆容"), ("the handbag", "放在手袋里")],
    "hair and scent": [("frequent use", "经常使用"), ("a present for her", "送给她的礼物")],
    "writing": [("letters and lectures", "写信和上课"), ("signing contracts", "签合同")],
    "desk gear": [("home offices", "家庭办公"), ("late study hours", "深夜学习")],
    "garden tools": [("balconies and flower beds", "阳台和花坛"), ("roses and fruit trees", "玫瑰和果树")],
    "garden living": [("terraces", "露台"), ("sunny corners", "阳光角落")],
    "pet walking": [("walks with your dog", "遛狗散步"), ("trips to the vet", "去看兽医")],
    "pet home": [("cats and small dogs", "猫和小型犬"), ("older animals", "年老的宠物")],
    "worn jewelry": [("anniversaries", "纪念日"), ("an evening outfit", "晚间造型")],
}
