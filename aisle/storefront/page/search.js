// Results: what was understood, the filters with their counts, the hits, and the pages of them.
import { el } from "./dom.js";
import { lang, money, say, value } from "./words.js";
import { address, go, params, register } from "./router.js";
import { call } from "./api.js";
import { card, timingBars } from "./card.js";
import { shown } from "./events.js";
import { swatch } from "./picture.js";

const K = 24;
const DEEPEST = 1000; // hits that paging reaches
const FACETS = ["category", "brand", "color", "size"];
const FIRST_VALUES = 8;
const SORTS = ["relevance", "price_asc", "price_desc", "newest", "rating"];
let filtersOpen = false; // on a phone

const number = (text) => (text === null || text === "" || Number.isNaN(Number(text)) ? undefined : Number(text));

function filtersOf(query) {
  const filters = {};
  for (const facet of FACETS) if (query.getAll(facet).length) filters[facet] = query.getAll(facet);
  const range = { gte: number(query.get("min")), lte: number(query.get("max")) };
  if (range.gte !== undefined || range.lte !== undefined) filters.price = range;
  if (query.get("stock")) filters.in_stock = true;
  return filters;
}

function request(query) {
  const page = Math.min(Math.max(1, Math.floor(number(query.get("page")) ?? 1)), Math.floor(DEEPEST / K));
  const sort = SORTS.includes(query.get("sort")) ? query.get("sort") : "relevance";
  return { query: query.get("q") ?? "", k: K, page, sort, lang: lang(), filters: filtersOf(query), facets: FACETS, explain: true };
}

// A filter that is chosen hides its other values from the answer, so these are counted without it.
async function widened(asked, signal) {
  const names = FACETS.filter((facet) => asked.filters[facet]);
  const answers = await Promise.all(
    names.map((facet) => {
      const { [facet]: _, ...filters } = asked.filters;
      return call("/v1/search", { body: { ...asked, filters, facets: [facet], k: 1, page: 1, rerank: "none", explain: false }, signal }).catch(() => null);
    }),
  );
  return Object.fromEntries(names.map((facet, at) => [facet, answers[at]?.facets[facet]]).filter(([, counts]) => counts));
}

register("/search", async (query, signal) => {
  const asked = request(query);
  const [answer, wider] = await Promise.all([call("/v1/search", { body: asked, signal, personal: true }), widened(asked, signal)]);
  const facets = { ...answer.facets, ...wider };
  const title = asked.query ? say("resultsFor")(asked.query) : say("allProducts");
  const count = say("results")(answer.total);
  const offset = (asked.page - 1) * K;
  const list = el("div", { class: "grid list" }, answer.hits.map((hit, at) => card(hit, { queryId: answer.query_id, ordinal: offset + at + 1, timings: answer.timings_ms, level: "h2" })));
  const results = el(
    "section",
    { class: "results", "aria-label": count },
    notes(answer),
    el("div", { "data-slot": "sponsored" }),
    answer.hits.length ? list : el("p", { class: "notice" }, say("nothing")),
    pages(asked.page, answer.total),
    el("details", { class: "timings" }, el("summary", {}, say("timings")(answer.timings_ms.total.toFixed(1))), timingBars(answer.timings_ms)),
  );
  const nodes = [
    el("div", { class: "head" }, el("div", {}, el("h1", { tabindex: "-1" }, title), el("p", { class: "soft", id: "found" }, count)), sorting(asked.sort)),
    el("div", { class: "columns" }, filters(asked, facets, answer.hits[0]?.currency), results),
  ];
  return { title, said: count, nodes, shown: () => shown(answer.query_id, asked.query, answer.hits, list) };
});

// What was read, corrected, given up or left out, in kind words.
function notes({ understood, relaxed, degraded, redirect, hits }) {
  const { price, category, brand, color } = understood;
  const amount = (number) => money(number, hits[0]?.currency);
  const read = [category, brand, color].filter(Boolean).map(value);
  if (price?.lte != null) read.push(say("upTo")(amount(price.lte)));
  if (price?.gte != null) read.push(say("from")(amount(price.gte)));
  const names = relaxed.map((name) => say("relaxedNames")[name] ?? say("facets")[name] ?? name);
  const away = redirect && new URL(redirect, location.href);
  const told = [
    understood.query ? say("corrected")(understood.query) : null,
    ...(understood.ignored ?? []).map((phrase) => say("ignored")(phrase)),
    names.length ? say("relaxed")(names.join(lang() === "zh" ? "、" : ", ")) : null,
    ...degraded.map((name) => say("degraded")[name] ?? name),
  ].filter(Boolean);
  return el(
    "div",
    { class: "notes" },
    away && ["http:", "https:"].includes(away.protocol) ? el("p", {}, say("redirect"), " ", el("a", { href: away.href, rel: "noreferrer" }, redirect)) : null,
    told.map((text) => el("p", {}, text)),
    read.length ? el("p", { class: "chips" }, el("span", { class: "soft" }, say("readAs")), read.map((text) => el("span", { class: "chip" }, text))) : null,
  );
}

// The address with one thing changed; another choice starts at the first page.
function changed(edit) {
  const query = params();
  query.delete("page");
  edit(query);
  return address("/search", query);
}

const apply = (edit) => go(changed(edit), { keepFocus: true, keepScroll: true });

function sorting(sort) {
  const options = SORTS.map((name) => el("option", { value: name, selected: name === sort }, say("sorts")[name]));
  const onchange = (event) => apply((query) => (event.target.value === "relevance" ? query.delete("sort") : query.set("sort", event.target.value)));
  return el("label", { class: "sort" }, el("span", { class: "soft small" }, say("sort")), el("select", { id: "sort", onchange }, options));
}

function filters(asked, facets, currency) {
  const chosen = Object.values(asked.filters).flat().length;
  const body = el("div", { id: "filters", class: "filters" });
  const toggle = el("button", { type: "button", class: "button filters-toggle", id: "filters-toggle", "aria-expanded": String(filtersOpen), "aria-controls": "filters" }, say("filtersCount")(chosen));
  const open = (wanted) => {
    filtersOpen = wanted;
    body.classList.toggle("open", wanted);
    toggle.setAttribute("aria-expanded", String(wanted));
  };
  toggle.addEventListener("click", () => open(!filtersOpen));
  open(filtersOpen);
  body.append(
    ...FACETS.map((facet) => values(facet, facets[facet] ?? [], asked.filters[facet] ?? [])).filter(Boolean),
    prices(asked.filters.price, currency),
    check("stock", say("inStock"), asked.filters.in_stock, (query, on) => (on ? query.set("stock", "1") : query.delete("stock"))),
  );
  if (chosen) body.append(el("a", { class: "button", id: "clear", href: address("/search", { q: asked.query, sort: asked.sort === "relevance" ? "" : asked.sort }), "data-in": true }, say("clear")));
  return el("aside", { "aria-label": say("filters") }, toggle, body);
}

function check(id, label, checked, edit, count) {
  const box = el("input", { type: "checkbox", id, checked: Boolean(checked), onchange: (event) => apply((query) => edit(query, event.target.checked)) });
  return el("label", { class: "check" }, box, el("span", {}, label), count === undefined ? null : el("span", { class: "soft small" }, String(count)));
}

function values(facet, counts, chosen) {
  const missing = chosen.filter((text) => !counts.some((count) => count.value.toLowerCase() === text.toLowerCase()));
  const all = [...missing.map((text) => ({ value: text, count: 0 })), ...counts];
  if (!all.length) return null;
  const on = (text) => chosen.some((one) => one.toLowerCase() === text.toLowerCase());
  const rows = all.map(({ value: text, count }) => {
    const edit = (query, wanted) => {
      const rest = query.getAll(facet).filter((one) => one.toLowerCase() !== text.toLowerCase());
      query.delete(facet);
      [...rest, ...(wanted ? [text] : [])].forEach((one) => query.append(facet, one));
    };
    return check(`${facet}-${text}`, [facet === "color" ? swatch(text) : null, value(text)], on(text), edit, count);
  });
  const rest = rows.slice(FIRST_VALUES);
  const open = all.slice(FIRST_VALUES).some(({ value: text }) => on(text));
  return el("fieldset", {}, el("legend", {}, say("facets")[facet]), rows.slice(0, FIRST_VALUES), rest.length ? el("details", { open }, el("summary", { class: "small" }, say("more")(rest.length)), rest) : null);
}

function prices(range, currency) {
  const field = (name, bound, amount) =>
    el(
      "label",
      {},
      el("span", { class: "soft small" }, say(name)),
      el("input", { type: "number", id: name, min: "0", step: "any", inputmode: "decimal", value: amount ?? "", onchange: ({ target }) => apply((query) => (target.value === "" ? query.delete(name) : query.set(name, target.value))) }),
    );
  return el("fieldset", { class: "prices" }, el("legend", {}, say("facets").price, currency ? ` (${currency})` : null), el("div", {}, field("min", "gte", range?.gte), field("max", "lte", range?.lte)));
}

function pages(page, total) {
  const last = Math.min(Math.ceil(total / K), Math.floor(DEEPEST / K));
  if (last < 2) return null;
  const near = [1, page - 1, page, page + 1, last].filter((n, at, all) => n >= 1 && n <= last && all.indexOf(n) === at);
  const query = params();
  const link = (n, text, name) => {
    query.set("page", n);
    return el("a", { href: address("/search", query), "data-in": true, "aria-label": name ?? say("page")(n), "aria-current": n === page && !name ? "page" : null }, text);
  };
  const links = near.map((n, at) => [at && n > near[at - 1] + 1 ? el("span", {}, "…") : null, link(n, String(n))]);
  return el("nav", { class: "pages", "aria-label": say("pages") }, page > 1 ? link(page - 1, "‹", say("previous")) : null, links, page < last ? link(page + 1, "›", say("next")) : null);
}
