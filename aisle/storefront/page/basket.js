// The basket: kept in this browser, told to the shop as carts and purchases.
import { announce, byId, el } from "./dom.js";
import { money, say, value } from "./words.js";
import { address, again, register } from "./router.js";
import { picture } from "./picture.js";
import { flush, told } from "./events.js";

const NAME = "aisle.basket";
const MOST = 99;
let thanked = false;

const lines = () => JSON.parse(localStorage.getItem(NAME) ?? "[]");

function save(changed) {
  localStorage.setItem(NAME, JSON.stringify(changed));
  showCount();
}

export function showCount() {
  const n = lines().reduce((sum, line) => sum + line.n, 0);
  byId("count").hidden = !n;
  byId("count").textContent = n;
  byId("basket").setAttribute("aria-label", say("basketCount")(n));
}

// Puts a product into the basket; `where` is the place that it was found at.
export function put(product, where) {
  const changed = lines();
  const line = changed.find(({ product_id }) => product_id === product.product_id);
  if (line) line.n = Math.min(MOST, line.n + 1);
  else {
    const { product_id, title, price, currency, category, color, size, brand } = product;
    changed.push({ product_id, title, price, currency, category, color, size, brand, n: 1 });
  }
  save(changed);
  told("add_to_cart", product.product_id, where);
  announce(`${say("added")}: ${product.title}`);
  const count = byId("count");
  count.classList.remove("bump");
  void count.offsetWidth;
  count.classList.add("bump");
}

function change(id, n) {
  save(lines().map((line) => (line.product_id === id ? { ...line, n } : line)).filter((line) => line.n > 0));
  again();
}

async function buy() {
  lines().forEach((line) => told("purchase", line.product_id));
  save([]);
  thanked = true;
  await flush();
  again({ keepFocus: false });
}

register("/basket", async () => {
  const title = thanked ? say("thanks") : say("basket");
  const note = thanked ? say("bought") : say("emptyBasket");
  const bought = lines();
  if (!bought.length) {
    thanked = false;
    const on = el("a", { class: "button", href: address("/"), "data-in": true }, say("goOn"));
    return { title, said: `${title}. ${note}`, nodes: [el("div", { class: "notice big" }, el("h1", { tabindex: "-1" }, title), el("p", {}, note), on)] };
  }
  const total = bought.reduce((sum, line) => sum + (line.price ?? 0) * line.n, 0);
  const list = el("ul", { class: "lines" }, bought.map((line, at) => row(line, at)));
  const pay = el("div", { class: "pay" }, el("p", { class: "row" }, el("span", {}, say("total")), el("b", { id: "total" }, money(total, bought[0].currency))), el("button", { type: "button", class: "button main", id: "buy", onclick: buy }, say("buy")));
  return { title, nodes: [el("h1", { tabindex: "-1" }, title), el("div", { class: "basket" }, list, pay)] };
});

function row(line, at) {
  const step = (sign, label, n, id) => el("button", { type: "button", class: "step", id: `${id}-${at}`, "aria-label": label(line.title), onclick: () => change(line.product_id, n) }, sign);
  return el(
    "li",
    {},
    el("div", { class: "art" }, picture(line)),
    el("div", { class: "text" }, el("h2", { class: "title" }, el("a", { href: address("/product", { id: line.product_id }), "data-in": true }, line.title)), el("p", { class: "soft small" }, [line.color, line.size].filter(Boolean).map(value).join(" · "))),
    el("div", { class: "steps" }, step("−", say("less"), line.n - 1, "less"), el("span", { "aria-label": say("quantity")(line.title), role: "img" }, String(line.n)), step("+", say("another"), Math.min(MOST, line.n + 1), "another")),
    el("span", { class: "price" }, line.price == null ? "" : money(line.price * line.n, line.currency)),
    el("button", { type: "button", class: "plain", "aria-label": say("removeOf")(line.title), onclick: () => change(line.product_id, 0) }, say("remove")),
  );
}
