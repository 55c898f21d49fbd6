// One product in a list: picture, words, price, the basket, and why it is there.
import { bar, el, sheet } from "./dom.js";
import { money, say, value } from "./words.js";
import { address } from "./router.js";
import { picture } from "./picture.js";
import { told } from "./events.js";
import { put } from "./basket.js";

const SHARES = new Set(["lexical_share", "cosine", "coverage", "precision", "body_coverage", "first"]);

export function rating(stars) {
  return stars ? el("span", { class: "rating", role: "img", "aria-label": say("rated")(stars) }, `★ ${stars.toFixed(1)}`) : null;
}

export const price = (product) => (product.price == null ? null : el("span", { class: "price" }, money(product.price, product.currency)));

// A card of `hit`, at place `ordinal` of the list that `queryId` names. `because`: why it is recommended, said on the card
// itself where `reasons`.
export function card(hit, { queryId, ordinal, because, timings, reasons = true, level = "h3" }) {
  const where = { query_id: queryId, ordinal };
  const href = address("/product", { id: hit.product_id });
  const why = el("button", { type: "button", class: "plain", "aria-label": say("whyOf")(hit.title), onclick: () => explain(hit, because, timings) }, say("why"));
  const buy = hit.in_stock
    ? el("button", { type: "button", class: "add", "aria-label": `${say("add")}: ${hit.title}`, onclick: () => put(hit, where) }, "+")
    : el("span", { class: "badge" }, say("soldOut"));
  return el(
    "article",
    { class: "card", "data-product": hit.product_id, "data-ordinal": ordinal },
    el("div", { class: "art" }, picture(hit)),
    el(
      "div",
      { class: "text" },
      el("p", { class: "soft small" }, hit.brand, hit.variants > 1 ? ` · ${say("variants")(hit.variants)}` : null),
      el(level, { class: "title" }, el("a", { href, "data-in": true, onclick: () => told("click", hit.product_id, where) }, hit.title)),
      because && reasons ? el("p", { class: "because small" }, because.text) : null,
      el("p", { class: "facts" }, price(hit), rating(hit.rating)),
    ),
    el("div", { class: "do" }, hit.explain || because ? why : null, buy),
  );
}

// A named row of recommended products, or nothing where there are none.
export function shelf(id, title, answer, { extra, reasons = true } = {}) {
  if (!answer?.hits.length) return null;
  const cards = answer.hits.map(({ hit, because }, at) => card(hit, { queryId: answer.query_id, ordinal: at + 1, because, timings: answer.timings_ms, reasons }));
  return el("section", { class: "shelf", "aria-labelledby": id }, el("div", { class: "head" }, el("h2", { id }, title), extra), el("div", { class: "grid" }, cards));
}

// What the stages said of a product, the telling ones as bars and all of them as numbers.
function explain(hit, because, timings) {
  const told = Object.entries(hit.explain ?? {});
  const names = say("stages");
  const telling = told.filter(([name]) => name in names);
  sheet(
    hit.title,
    say("close"),
    because ? el("p", { class: "because" }, because.text) : null,
    el("p", { class: "row" }, el("span", {}, say("whyScore")), bar(hit.score), el("b", {}, hit.score.toFixed(3))),
    telling.length ? [el("h3", {}, say("whyStages")), table(telling.map(([name, number]) => stage(names[name], name, number)))] : null,
    !told.length && !because ? el("p", {}, say("whyNone")) : null,
    timings ? [el("h3", {}, say("timings")(timings.total?.toFixed(1) ?? "?")), timingBars(timings)] : null,
    told.length ? el("details", {}, el("summary", {}, say("whyAll")), el("dl", { class: "numbers" }, told.map(([name, number]) => [el("dt", {}, name), el("dd", {}, String(number))]))) : null,
  );
}

const table = (rows) => el("div", { class: "rows" }, rows);

function stage(label, name, number) {
  const share = SHARES.has(name) ? number : name === "cross" ? 1 / (1 + Math.exp(-number)) : null;
  const shown = share === null ? null : bar(share);
  const agrees = ["category", "brand", "color"].includes(name) ? { 1: "✓", 0: "–", "-1": "✗" }[number] : null;
  return el("p", { class: "row" }, el("span", {}, label), shown ?? el("span"), el("b", {}, agrees ?? number.toFixed(2)));
}

// The answer's time, stage by stage, each as its share of the whole.
export function timingBars(timings) {
  const names = say("timingStages");
  const whole = Math.max(timings.total ?? 0, 0.001);
  return table(Object.entries(timings).map(([name, ms]) => el("p", { class: "row" }, el("span", {}, names[name] ?? value(name)), bar(ms / whole), el("b", {}, `${ms.toFixed(1)} ms`))));
}
