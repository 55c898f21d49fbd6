// The search box: a combobox (WAI-ARIA, "list autocomplete") that suggests, and results that follow what is typed.
import { announce, byId, el } from "./dom.js";
import { lang, say } from "./words.js";
import { address, go, params } from "./router.js";
import { call } from "./api.js";

const SUGGEST_MS = 90;
const SEARCH_MS = 350;
let typedAt = 0; // counts what was typed, so that an old list never covers a newer one
let timers = [];
let chosen = -1;

const input = () => byId("q");
const list = () => byId("suggestions");
const options = () => [...list().children];

function close() {
  chosen = -1;
  list().hidden = true;
  input().setAttribute("aria-expanded", "false");
  input().removeAttribute("aria-activedescendant");
}

function quiet() {
  typedAt += 1;
  timers.forEach(clearTimeout);
  close();
}

async function suggest() {
  const mine = ++typedAt;
  const typed = input().value.trim();
  if (!typed) return close();
  let suggestions;
  try {
    ({ suggestions } = await call(`/v1/suggest?${new URLSearchParams({ q: typed, k: 8, lang: lang() })}`));
  } catch {
    suggestions = []; // searching works without
  }
  if (mine !== typedAt || document.activeElement !== input()) return;
  if (!suggestions.length) return close();
  const kinds = say("kinds");
  list().replaceChildren(
    ...suggestions.map((found, at) =>
      el("li", { role: "option", id: `suggestion-${at}`, "aria-selected": "false", onmousedown: (event) => event.preventDefault(), onclick: () => submit(found.text) }, el("span", {}, found.text), el("small", {}, kinds[found.kind])),
    ),
  );
  chosen = -1;
  list().hidden = false;
  input().setAttribute("aria-expanded", "true");
  input().removeAttribute("aria-activedescendant");
  announce(say("suggestions")(suggestions.length));
}

// One step down (1) or up (-1); beyond either end lies the box itself.
function choose(step) {
  const all = options();
  chosen = ((chosen + step + all.length + 2) % (all.length + 1)) - 1;
  all.forEach((option, place) => option.setAttribute("aria-selected", String(place === chosen)));
  if (chosen < 0) return input().removeAttribute("aria-activedescendant");
  input().setAttribute("aria-activedescendant", all[chosen].id);
  all[chosen].scrollIntoView({ block: "nearest" });
}

// The words as they stand now become the address. While they are typed, one entry of the history is enough for them.
function search({ typing }) {
  const words = input().value.trim();
  const there = location.pathname === "/search";
  const settled = { q: words, ...(there ? { sort: params().get("sort") } : {}) };
  const href = address("/search", settled);
  const same = there && (params().get("q") ?? "") === words;
  if (typing && (same || (!words && !there))) return;
  go(href, { replace: (typing && there && history.state?.typed) || same, keepFocus: typing, typed: typing });
}

function submit(words) {
  input().value = words;
  quiet();
  search({ typing: false });
}

export function startSuggest() {
  const typed = (event) => {
    if (event.isComposing) return; // an input method is still choosing characters
    timers.forEach(clearTimeout);
    timers = [setTimeout(suggest, SUGGEST_MS), setTimeout(() => search({ typing: true }), SEARCH_MS)];
  };
  input().addEventListener("input", typed);
  input().addEventListener("compositionend", typed);
  input().addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open = !list().hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) suggest();
      else choose(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      quiet();
    } else if (event.key === "Enter") {
      event.preventDefault();
      submit(open && chosen >= 0 ? options()[chosen].firstChild.textContent : input().value);
    }
  });
  input().addEventListener("blur", () => setTimeout(close, 100));
  input().form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(input().value);
  });
}

// The box shows what the address says, except under the hands of whoever types.
export function showQuery() {
  if (document.activeElement !== input() || !history.state?.typed) input().value = params().get("q") ?? "";
  input().setAttribute("aria-label", say("find"));
  input().placeholder = say("findHint");
  list().setAttribute("aria-label", say("find"));
}
