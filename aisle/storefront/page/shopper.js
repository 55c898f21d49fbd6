// Who is shopping: chosen from a list here, logged in elsewhere. The token lives in this tab's memory and nowhere else.
import { announce, byId, el } from "./dom.js";
import { say } from "./words.js";

const NAME = "aisle.shopper";
const EARLY_S = 120; // a token is asked for again so long before it ends
let held = null; // {shopper, token, until}

export const shopper = () => sessionStorage.getItem(NAME);

// The header that says who is shopping, or none for a stranger.
export async function token() {
  if (!shopper()) return {};
  if (held?.shopper !== shopper() || Date.now() > held.until) await login(shopper());
  return held ? { "x-shopper-token": held.token } : {};
}

export function freshToken() {
  held = null;
  return token();
}

async function login(name) {
  held = null;
  try {
    const response = await fetch("/shop/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ shopper: name }),
      signal: AbortSignal.timeout(5000),
    });
    if (response.status === 404) sessionStorage.removeItem(NAME); // of another store
    if (!response.ok) return;
    const answer = await response.json();
    held = { shopper: name, token: answer.token, until: Date.now() + (answer.expires_in_s - EARLY_S) * 1000 };
  } catch {
    // Without a token the answers are a stranger's; the next call tries again.
  }
}

// Fills the chooser; `leaving` and `changed` run before and after somebody else is shopping. Without a list there is
// nothing to choose.
export async function chooser(leaving, changed) {
  const select = byId("shopper");
  let shoppers = [];
  try {
    const response = await fetch("/shop/shoppers");
    if (response.ok) shoppers = (await response.json()).shoppers;
  } catch {
    return;
  }
  if (!shoppers.length) return;
  if (shopper() && !shoppers.includes(shopper())) sessionStorage.removeItem(NAME);
  select.append(el("option", { value: "" }), ...shoppers.map((name) => el("option", { value: name }, name)));
  select.value = shopper() ?? "";
  select.closest("label").hidden = false;
  select.addEventListener("change", async () => {
    await leaving();
    if (select.value) sessionStorage.setItem(NAME, select.value);
    else sessionStorage.removeItem(NAME);
    await freshToken();
    await changed();
    announce(select.value ? say("nowAs")(select.value) : say("nowStranger"));
  });
}
