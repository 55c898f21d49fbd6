// The first page: what this shopper may like, the departments, and what is well rated.
import { el } from "./dom.js";
import { lang, say, value } from "./words.js";
import { address, go, params, register } from "./router.js";
import { call, ifThere } from "./api.js";
import { card, shelf } from "./card.js";
import { flush, here, shown } from "./events.js";
import { picture } from "./picture.js";
import { shopper } from "./shopper.js";

const K = 10;

// Recommendations for whoever is shopping: by the shopper token, or by what a stranger did in this tab.
async function recommended(fresh, signal) {
  await flush(); // so that the page knows of the click that led here
  const asked = { k: K, lang: lang(), explain: true, new: fresh };
  if (shopper() || !here().length) return ifThere(call(`/v1/recommendations?${new URLSearchParams(asked)}`, { signal, personal: true }));
  return ifThere(call("/v1/recommendations", { body: { ...asked, events: here() }, signal }));
}

register("/", async (query, signal) => {
  const fresh = query.get("show") === "new";
  const browse = { query: "", k: K, lang: lang(), facets: ["category"], filters: { in_stock: true } };
  const [chosen, browsed] = await Promise.allSettled([recommended(fresh, signal), call("/v1/search", { body: browse, signal })]);
  if (browsed.status === "rejected") throw browsed.reason;
  const answer = chosen.value;
  const title = shopper() ? say("welcomeBack")(shopper()) : say("welcome");
  const mine = shelf("for-you", say("forYou"), answer, { extra: choice(fresh) });
  const nodes = [
    el("div", { class: "hello" }, el("h1", { tabindex: "-1" }, title), el("p", { class: "soft" }, answer ? say("routes")[answer.route] : say("quietHome"))),
    answer?.degraded.length ? el("div", { class: "notes" }, answer.degraded.map((name) => el("p", {}, say("degraded")[name] ?? name))) : null,
    mine,
    el("div", { "data-slot": "sponsored" }),
    departments(browsed.value),
    answer?.route === "popular" ? null : wellRated(browsed.value),
  ].filter(Boolean);
  return { title: "", said: title, nodes, shown: () => mine && shown(answer.query_id, "", answer.hits.map(({ hit }) => hit), mine) };
});

// Anything, or only what was not bought before.
function choice(fresh) {
  const button = (label, wanted) =>
    el("button", { type: "button", id: `show-${wanted || "all"}`, "aria-pressed": String(fresh === (wanted === "new")), onclick: () => go(address("/", { ...Object.fromEntries(params()), show: wanted }), { keepFocus: true, keepScroll: true }) }, label);
  return el("div", { class: "choice", role: "group", "aria-label": say("listOf") }, button(say("anything"), ""), button(say("newToYou"), "new"));
}

function wellRated({ hits, query_id }) {
  const cards = hits.map((hit, at) => card(hit, { queryId: query_id, ordinal: at + 1 }));
  return el("section", { class: "shelf", "aria-labelledby": "rated" }, el("div", { class: "head" }, el("h2", { id: "rated" }, say("wellRated"))), el("div", { class: "grid" }, cards));
}

function departments({ facets }) {
  const tiles = facets.category.map(({ value: name, count }) => el("a", { class: "tile", href: address("/search", { category: name }), "data-in": true }, picture({ product_id: name, category: name, title: "", color: "" }), el("span", {}, value(name)), el("small", {}, String(count))));
  return tiles.length > 1 ? el("section", { "aria-labelledby": "departments" }, el("div", { class: "head" }, el("h2", { id: "departments" }, say("departments"))), el("div", { class: "tiles" }, tiles)) : null;
}
