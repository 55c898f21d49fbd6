// What the shopper does, told in the form of UBI 1.3: in batches, again after a failure, and when the page is left.
// The server knows an event by what is in it, so one that is sent twice counts once.
import { token } from "./shopper.js";

const BATCH_MS = 800;
const AGAIN_MS = 8000;
const MOST = 200; // kept while the server is away
const SEEN_MS = 600; // a query counts when its answer stood so long
const HERE = "aisle.here"; // what this tab did: the session of a stranger
const MOST_HERE = 50;
let waitingEvents = [];
let waitingQueries = [];
let timer = null;
let nobodyListens = false;
let sending = Promise.resolve();

function random() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function kept(storage, name) {
  if (!storage.getItem(name)) storage.setItem(name, random());
  return storage.getItem(name);
}

const identity = () => ({
  application: "storefront",
  client_id: kept(localStorage, "aisle.client"),
  session_id: kept(sessionStorage, "aisle.session"),
  timestamp: new Date().toISOString(),
});

export const here = () => JSON.parse(sessionStorage.getItem(HERE) ?? "[]");

// Another shopper, another session; what could not be sent as the former one is not sent as this one.
export function newSession() {
  waitingEvents = [];
  waitingQueries = [];
  sessionStorage.removeItem(HERE);
  sessionStorage.removeItem("aisle.session");
}

export function forgetBrowser() {
  newSession();
  localStorage.removeItem("aisle.client");
}

// One act on one product; `where` is {query_id, ordinal} of the list that it was found in, if it was.
export function told(action, productId, where) {
  if (action === "click") sessionStorage.setItem(`aisle.from.${productId}`, JSON.stringify(where ?? {}));
  const from = where ?? JSON.parse(sessionStorage.getItem(`aisle.from.${productId}`) ?? "{}");
  const attributes = { object: { object_id: productId, object_id_field: "product_id" } };
  if (from.ordinal) attributes.position = { ordinal: from.ordinal };
  const event = { ...identity(), action_name: action, event_attributes: attributes };
  if (from.query_id) event.query_id = from.query_id;
  waitingEvents.push(event);
  if (action !== "impression") {
    const acts = [...here(), { product_id: productId, action: action === "add_to_cart" ? "cart" : action }];
    sessionStorage.setItem(HERE, JSON.stringify(acts.slice(-MOST_HERE)));
  }
  later(BATCH_MS);
}

// A list was shown: its query when it has stood for a moment, its products as each comes into sight.
export function shown(queryId, userQuery, hits, list) {
  let counted = false;
  const count = () => {
    if (counted) return;
    counted = true;
    waitingQueries.push({
      ...identity(),
      query_id: queryId,
      user_query: userQuery,
      object_id_field: "product_id",
      query_response_hit_ids: hits.map((hit) => hit.product_id),
    });
    later(BATCH_MS);
  };
  const settled = setTimeout(() => {
    if (!list.isConnected) return;
    count();
    const watcher = new IntersectionObserver(
      (entries) =>
        entries
          .filter((entry) => entry.isIntersecting)
          .forEach(({ target }) => {
            watcher.unobserve(target);
            told("impression", target.dataset.product, { query_id: queryId, ordinal: Number(target.dataset.ordinal) });
          }),
      { threshold: 0.5 },
    );
    list.querySelectorAll("[data-product]").forEach((card) => watcher.observe(card));
  }, SEEN_MS);
  return () => {
    clearTimeout(settled);
    count();
  };
}

function later(ms) {
  timer ??= setTimeout(flush, ms);
}

// Sends what waits; resolves when the server has it, so that the next page can know of it.
export function flush({ leaving = false } = {}) {
  clearTimeout(timer);
  timer = null;
  if (nobodyListens || !(waitingEvents.length + waitingQueries.length)) return sending;
  const batch = { events: waitingEvents.splice(0, MOST), queries: waitingQueries.splice(0, MOST) };
  sending = sending.then(() => send(batch, leaving));
  return sending;
}

async function send(batch, leaving) {
  try {
    const response = await fetch("/v1/events", {
      method: "POST",
      headers: { "content-type": "application/json", ...(await token()) },
      body: JSON.stringify(batch),
      keepalive: leaving,
      signal: AbortSignal.timeout(5000),
    });
    nobodyListens = response.status === 404;
    if (response.status < 500 && response.status !== 429) return;
  } catch {
    // Not reached: the same as refused for now.
  }
  waitingEvents = [...batch.events, ...waitingEvents].slice(0, MOST);
  waitingQueries = [...batch.queries, ...waitingQueries].slice(0, MOST);
  later(AGAIN_MS);
}

document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && flush({ leaving: true }));
