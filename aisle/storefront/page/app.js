// The shop: views register themselves, the address chooses among them, and this file keeps the frame around them.
import { byId } from "./dom.js";
import { say } from "./words.js";
import { address, again, onRender, params, start } from "./router.js";
import { chooser, shopper } from "./shopper.js";
import { flush, newSession } from "./events.js";
import { showQuery, startSuggest } from "./suggest.js";
import { showCount } from "./basket.js";
import "./home.js";
import "./search.js";
import "./product.js";
import "./me.js";

function frame() {
  document.querySelectorAll("[data-say]").forEach((node) => (node.textContent = say(node.dataset.say)));
  document.querySelector(".brand").href = address("/");
  byId("known").href = address("/me");
  byId("basket").href = address("/basket");
  byId("known").setAttribute("aria-label", say("me"));
  const other = byId("language");
  other.href = address(location.pathname, params(), say("otherLang"));
  other.textContent = say("other");
  other.lang = say("otherLang");
  other.setAttribute("aria-label", say("switchTo"));
  const stranger = byId("shopper").options[0];
  if (stranger) stranger.textContent = say("stranger");
  for (const name of ["/basket", "/me"]) document.querySelector(`a[href^="${name}"]`)?.toggleAttribute("aria-current", location.pathname === name);
  showQuery();
  showCount();
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // a fragment would be another address
  byId("main").focus();
});
onRender(frame);
startSuggest();
await chooser(flush, () => {
  newSession();
  return again();
});
await start();
