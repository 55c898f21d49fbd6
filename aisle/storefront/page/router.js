// The address says everything that is shown: a view per path, its state in the query. Back and forward just work.
import { byId, announce, el } from "./dom.js";
import { say, speak } from "./words.js";
import { failure } from "./api.js";

const views = new Map(); // path -> async (params, signal) -> {title, nodes, said, shown}
const LATE_MS = 300;
const SLOW_MS = 2500;
let turn = 0;
let controller = null;
let chrome = () => {};

export const register = (path, view) => views.set(path, view);
export const onRender = (callback) => (chrome = callback);
export const params = () => new URLSearchParams(location.search);

// An address inside the shop; the language stays with whoever chose one.
export function address(path, query = {}, language = params().get("lang")) {
  const kept = new URLSearchParams();
  for (const [name, value] of query instanceof URLSearchParams ? query : Object.entries(query))
    if (value !== "" && value !== null && value !== undefined && name !== "lang") kept.append(name, value);
  if (language) kept.set("lang", language);
  return path + (kept.size ? `?${kept}` : "");
}

// Goes there. `typed`: the words are still being typed, so the next ones take this entry's place in the history.
export function go(href, { replace = false, keepFocus = false, keepScroll = false, typed = false } = {}) {
  if (!replace) remember();
  history[replace ? "replaceState" : "pushState"]({ typed }, "", href);
  return render({ keepFocus, keepScroll });
}

export const again = (options) => render({ keepFocus: true, keepScroll: true, ...options });

function remember() {
  history.replaceState({ ...history.state, y: scrollY }, "");
}

// Draws what the address says. An older answer never overwrites a newer one: its request is ended, its turn is over.
async function render({ keepFocus = false, keepScroll = false, y = 0 } = {}) {
  const mine = ++turn;
  controller?.abort();
  controller = new AbortController();
  speak(params().get("lang"));
  chrome();
  const main = byId("main");
  const late = setTimeout(() => waiting(true), LATE_MS);
  const slow = setTimeout(() => announce(say("slowHint")), SLOW_MS);
  let drawn;
  try {
    drawn = await (views.get(location.pathname) ?? lost)(params(), controller.signal);
  } catch (error) {
    if (mine !== turn) return;
    drawn = failure(error, () => again({ keepFocus: false }));
  }
  clearTimeout(late);
  clearTimeout(slow);
  if (mine !== turn) return;
  waiting(false);
  const focused = document.activeElement?.id;
  main.replaceChildren(...drawn.nodes);
  document.title = drawn.title ? `${drawn.title} · aisle` : "aisle";
  announce(drawn.said ?? drawn.title ?? "");
  if (!keepScroll) scrollTo(0, y);
  if (!keepFocus) (main.querySelector("h1") ?? main).focus({ preventScroll: true });
  else if (focused && document.activeElement?.id !== focused) byId(focused)?.focus({ preventScroll: true });
  drawn.shown?.();
}

function waiting(busy) {
  document.querySelector(".progress").hidden = !busy;
  byId("main").setAttribute("aria-busy", String(busy));
}

async function lost() {
  const back = el("a", { class: "button", href: address("/"), "data-in": true }, say("home"));
  return { title: say("lost"), nodes: [el("div", { class: "notice big" }, el("h1", { tabindex: "-1" }, say("lost")), back)] };
}

export function start() {
  history.scrollRestoration = "manual";
  addEventListener("popstate", (event) => render({ y: event.state?.y ?? 0 }));
  document.addEventListener("click", (event) => {
    const anchor = event.target.closest("a[data-in]");
    if (!anchor || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(anchor.href, { replace: anchor.href === location.href });
  });
  return render({ keepFocus: true, y: history.state?.y ?? 0 });
}
