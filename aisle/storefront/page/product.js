// One product: its picture, its facts, its variants, and what goes with it.
import { el } from "./dom.js";
import { lang, say, value } from "./words.js";
import { address, register } from "./router.js";
import { call, ifThere } from "./api.js";
import { price, rating, shelf } from "./card.js";
import { shown, told } from "./events.js";
import { picture } from "./picture.js";
import { put } from "./basket.js";

const MOST_VARIANTS = 12;
const K = 5;
const path = (id, rest = "") => `/v1/products/${encodeURIComponent(id)}${rest}`;

register("/product", async (query, signal) => {
  const id = query.get("id") ?? "";
  const { product, variants } = await call(`${path(id)}?lang=${lang()}`, { signal });
  const shelves = el("div");
  const others = el("div");
  const page = el(
    "article",
    { class: "product" },
    el("div", { class: "art" }, picture(product, say("drawing")(product.title))),
    el(
      "div",
      { class: "text" },
      el("p", { class: "soft" }, [product.brand, value(product.category)].filter(Boolean).join(" · ")),
      el("h1", { tabindex: "-1" }, product.title),
      el("p", { class: "facts" }, price(product), rating(product.rating)),
      stock(product),
      others,
      product.description ? el("p", { class: "description" }, product.description) : null,
      facts(product),
    ),
  );
  const fill = async () => {
    told("view", id);
    chooseVariants(variants, product, others, signal).catch(() => {});
    const ask = (name) => ifThere(call(`${path(id, `/${name}`)}?${new URLSearchParams({ k: K, lang: lang(), explain: true })}`, { signal })).catch(() => null);
    const [together, similar] = await Promise.all([ask("together"), ask("similar")]);
    for (const [name, answer] of Object.entries({ together, similar })) {
      const row = shelf(name, say(name), answer, { reasons: false });
      if (!row) continue;
      shelves.append(row);
      shown(answer.query_id, "", answer.hits.map(({ hit }) => hit), row);
    }
  };
  return { title: product.title, nodes: [page, shelves], shown: fill };
});

function stock(product) {
  const left = product.stock;
  if (left === 0) return el("p", { class: "badge" }, say("soldOut"));
  const few = left && left <= 5;
  return el(
    "div",
    { class: "buy" },
    el("button", { type: "button", class: "button main", id: "add", onclick: () => put(product) }, say("add")),
    el("span", { class: few ? "few" : "soft" }, few ? say("fewLeft")(left) : say("available")),
  );
}

async function chooseVariants(ids, product, place, signal) {
  if (!ids.length) return;
  const answers = await Promise.all(ids.slice(0, MOST_VARIANTS).map((id) => call(`${path(id)}?lang=${lang()}`, { signal }).catch(() => null)));
  const others = answers.filter(Boolean).map((answer) => answer.product);
  const link = (other) => {
    const name = [other.color, other.size].filter(Boolean).map(value).join(" · ") || other.title;
    return el("li", {}, el("a", { href: address("/product", { id: other.product_id }), "data-in": true, "aria-label": `${name}${other.stock === 0 ? `, ${say("soldOut")}` : ""}`, class: other.stock === 0 ? "gone" : null }, picture(other), el("span", { class: "small" }, name)));
  };
  place.append(el("h2", { class: "small soft" }, say("chooseVariant")), el("ul", { class: "variants" }, others.map(link)));
}

function facts(product) {
  const written = (name, it) => (it === true ? say("yes") : it === false ? say("no") : name === "weight_g" ? `${it} g` : value(it));
  const own = ["color", "size", "material"].map((name) => [name, product[name]]);
  const rows = [...own, ...Object.entries(product.attributes ?? {})].filter(([, it]) => it !== undefined && it !== "" && it !== null);
  const label = (name) => say("attributes")[name] ?? value(name.replaceAll("_", " "));
  return rows.length ? el("section", {}, el("h2", { class: "small soft" }, say("details")), el("dl", { class: "facts-list" }, rows.map(([name, it]) => el("div", {}, el("dt", {}, label(name)), el("dd", {}, written(name, it)))))) : null;
}
