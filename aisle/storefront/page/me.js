// What is known about whoever is shopping, until when and what for; and the button that ends it.
import { announce, el, sheet } from "./dom.js";
import { day, lang, moment, say, value } from "./words.js";
import { address, again, register } from "./router.js";
import { call, ifThere } from "./api.js";
import { flush, forgetBrowser } from "./events.js";
import { shopper } from "./shopper.js";

const SHOWN = 50;
const TITLED = 20;

register("/me", async (query, signal) => {
  const title = say("me");
  const head = el("h1", { tabindex: "-1" }, title);
  const said = (text) => ({ title, said: text, nodes: [el("div", { class: "notice big" }, head, el("p", {}, text))] });
  if (!shopper()) return said(say("strangerKnown"));
  await flush();
  const profile = await ifThere(call("/v1/profile", { signal, personal: true }));
  if (!profile) return said(say("noProfile"));
  const { acts, kept_until, used_for } = profile;
  if (!acts.length) return said(say("nothingKnown"));
  const titles = await titlesOf(acts, signal);
  const rows = acts.slice(0, SHOWN).map(({ product_id, action, at }) => el("tr", {}, el("td", {}, el("time", { datetime: at }, moment(at))), el("td", {}, say("acts")[action] ?? action), el("td", {}, el("a", { href: address("/product", { id: product_id }), "data-in": true }, titles.get(product_id) ?? product_id))));
  const nodes = [
    el("div", { class: "head" }, el("div", {}, head, el("p", { class: "soft", id: "known-count" }, `${shopper()} · ${say("known")(acts.length)}`)), el("button", { type: "button", class: "button danger", id: "forget", onclick: sure }, say("forget"))),
    kept_until ? el("p", {}, say("keptUntil")(day(kept_until))) : null,
    used_for.length ? el("section", {}, el("h2", {}, say("usedFor")), el("ul", {}, used_for.map((use) => el("li", {}, value(say("purposes")[use] ?? use))))) : null,
    el("section", {}, el("h2", { id: "acts" }, say("whatYouDid")), el("table", { "aria-labelledby": "acts" }, el("thead", {}, el("tr", {}, say("columns").map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, rows))),
  ].filter(Boolean);
  return { title, said: say("known")(acts.length), nodes };
});

async function titlesOf(acts, signal) {
  const ids = [...new Set(acts.slice(0, SHOWN).map((act) => act.product_id))].slice(0, TITLED);
  const found = await Promise.all(ids.map((id) => call(`/v1/products/${encodeURIComponent(id)}?lang=${lang()}`, { signal }).catch(() => null)));
  return new Map(found.filter(Boolean).map(({ product }) => [product.product_id, product.title]));
}

function sure() {
  const forget = async (event) => {
    event.target.disabled = true;
    try {
      await call("/v1/profile", { method: "DELETE", personal: true });
    } catch (error) {
      const [title, text] = say("failures")[error.kind] ?? say("failures").broken;
      problem.textContent = `${title}. ${text}`;
      event.target.disabled = false;
      return;
    }
    forgetBrowser();
    dialog.close();
    await again({ keepFocus: false });
    announce(say("forgotten"));
  };
  const problem = el("p", { role: "alert" });
  const dialog = sheet(
    say("forget"),
    say("close"),
    el("p", {}, say("forgetSure")),
    problem,
    el("p", { class: "choices" }, el("button", { type: "button", class: "button danger", id: "forget-yes", onclick: forget }, say("forgetYes")), el("button", { type: "button", class: "button", onclick: () => dialog.close() }, say("cancel"))),
  );
}
