// Elements by DOM calls alone: what a shop or a shopper wrote is text here, whatever it looks like.
const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "disabled", "selected", "hidden", "open"]);

function dressed(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (PROPERTIES.has(name)) node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const el = (tag, attributes, ...children) => dressed(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => dressed(document.createElementNS(SVG, tag), attributes, children);
export const byId = (id) => document.getElementById(id);

// Tells screen readers; the same words twice are said twice.
export function announce(text) {
  const status = byId("status");
  status.textContent = status.textContent === text ? text + "\u00a0" : text;
}

// A bar from 0 to 1: the width is a property of the style, which the content security policy leaves to scripts.
export function bar(share) {
  const inner = el("i");
  inner.style.setProperty("inline-size", `${Math.round(Math.min(1, Math.max(0, share)) * 100)}%`);
  return el("span", { class: "bar", "aria-hidden": "true" }, inner);
}

// The one dialog; closing gives the focus back to what opened it.
export function sheet(title, closeLabel, ...children) {
  const dialog = byId("sheet");
  const close = el("button", { type: "button", class: "close", "aria-label": closeLabel, onclick: () => dialog.close() }, "×");
  dialog.replaceChildren(el("div", { class: "inner" }, el("h2", { id: "sheet-title", tabindex: "-1" }, title), ...children), close);
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  dialog.showModal();
  byId("sheet-title").focus();
  return dialog;
}
