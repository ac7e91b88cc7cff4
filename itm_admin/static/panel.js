// Comforts on top of pages that work without scripts. Nothing is fetched, nothing is kept in the browser.
"use strict";

const sprite = (document.querySelector("svg.icon use")?.getAttribute("href") || "").split("#")[0];
const make = (name, properties) => Object.assign(document.createElement(name), properties);
const typing = (target) => target.closest("input, textarea, select, [contenteditable], dialog") !== null;

// Escape closes an open menu and returns to its button.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu-toggle[open]")) {
    const inside = menu.contains(document.activeElement);
    menu.open = false;
    if (inside) menu.querySelector("summary").focus();
  }
});

// Single keys: "/" searches, j and k go along a list's rows, x chooses one, g and a number follow the menu, "?" says
// so. The focus itself moves, onto the row's link: Enter opens it, and a screen reader reads it. Never while typing,
// never with a modifier, not at all for whoever switched them off.
const help = document.getElementById("keys");
const search = document.querySelector("[data-search]") || document.querySelector("[data-find]");
const rows = [...document.querySelectorAll("[data-rows] tbody tr")].filter((row) => row.querySelector("td a"));
const places = help ? [...help.querySelectorAll("[data-go]")].slice(0, 9) : [];
let going = false;

function goAlong(step) {
  const here = rows.findIndex((row) => row.contains(document.activeElement));
  const next = here < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(here + step, 0), rows.length - 1);
  rows[next].querySelector("td a").focus();
  rows[next].scrollIntoView({ block: "nearest" });
}

function pressed(key) {
  const row = rows.find((one) => one.contains(document.activeElement));
  const box = row && row.querySelector("input[name='chosen']");
  if (going && /^[1-9]$/.test(key) && places[key - 1]) window.location.assign(places[key - 1].dataset.go);
  else if (key === "/" && search) search.select();
  else if (rows.length && (key === "j" || (row && key === "ArrowDown"))) goAlong(1);
  else if (rows.length && (key === "k" || (row && key === "ArrowUp"))) goAlong(-1);
  else if (key === "x" && box) box.click();
  else if (key === "?" && help) help.showModal();
  else return key === "g";
  return true;
}

document.addEventListener("keydown", (event) => {
  const modified = event.ctrlKey || event.altKey || event.metaKey || (event.shiftKey && event.key.length > 1);
  const boxed = event.target.matches("input[type='checkbox']"); // nothing is typed into a box
  if (document.body.dataset.keys === "off" || modified || event.isComposing || (typing(event.target) && !boxed)) return;
  if (event.target.closest("dialog")) return;
  if (pressed(event.key)) event.preventDefault();
  going = event.key === "g";
});

if (help) {
  places.forEach((place, at) => { place.textContent = at + 1; });
  const usable = { search: search !== null, rows: rows.length > 0, go: true, boxes: document.querySelector("input[name='chosen'][form]") !== null };
  for (const line of help.querySelectorAll("[data-key-of]")) line.hidden = !usable[line.dataset.keyOf];
  for (const place of [...help.querySelectorAll("[data-go]")].slice(9)) place.closest("div").hidden = true;
  help.querySelector("[data-keys-close]").addEventListener("click", () => help.close());
  for (const button of document.querySelectorAll("[data-keys-open]")) {
    button.hidden = false;
    button.addEventListener("click", () => help.showModal());
  }
}

// On a narrow screen a page's own tables become cards, as lists are: each cell then says which column it is of.
for (const table of document.querySelectorAll(".region > .table:not(.listing-table)")) {
  const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
  const roles = { thead: "rowgroup", tbody: "rowgroup", tr: "row", "thead th": "columnheader", "tbody th": "rowheader", td: "cell" };
  table.setAttribute("role", "table"); // cards are no table for the browser any more
  for (const [part, role] of Object.entries(roles)) for (const one of table.querySelectorAll(part)) one.setAttribute("role", role);
  for (const cell of table.querySelectorAll("tbody td")) {
    cell.dataset.label ??= (cell.colSpan > 1 ? "" : heads[cell.cellIndex]) ?? "";
    cell.classList.toggle("blank", !cell.textContent.trim() && !cell.querySelector("form, img, svg"));
  }
  if (heads.length > 2) table.classList.add("cards");
}

// What is long is folded on a narrow screen: the titles are its contents.
for (const fold of document.querySelectorAll("details[data-fold]")) fold.open = !window.matchMedia("(max-width: 40em)").matches;

// Rows that are chosen are counted, and all of a page are chosen at once.
const bulk = document.getElementById("bulk");
if (bulk) {
  const boxes = [...document.querySelectorAll("input[name='chosen'][form='bulk']")];
  const place = document.querySelector("[data-choose-all]");
  const all = make("input", { type: "checkbox", className: "form-check-input" });
  all.setAttribute("aria-label", place.dataset.chooseAll);
  place.append(all);
  const count = () => {
    const chosen = boxes.filter((box) => box.checked).length;
    bulk.querySelector("output").textContent = chosen || "";
    bulk.classList.toggle("chosen", chosen > 0);
    all.checked = chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
  };
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    count();
  });
  for (const box of boxes) box.addEventListener("change", count);
  window.addEventListener("pageshow", count); // the browser may remember what was chosen
  count();
}

// A press elsewhere closes menus.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu-toggle[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// What is typed into a form and kept nowhere would be lost with another language: that form then asks first.
document.addEventListener("input", (event) => {
  const form = event.target.closest("form.form");
  if (form && !form.dataset.keep) form.dataset.edited = "yes";
});
document.addEventListener("submit", (event) => {
  const edited = [...document.querySelectorAll("form[data-edited]")].some((form) => form !== event.target);
  if (event.target.dataset.loses && edited) event.target.dataset.confirm = event.target.dataset.loses;
});

// A form that asks before it is sent.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.confirm || form.dataset.confirmed) return;
  event.preventDefault();
  const dialog = make("dialog", {});
  dialog.setAttribute("aria-labelledby", "confirm-question");
  const buttons = make("div", { className: "buttons" });
  const yes = make("button", { type: "button", className: form.dataset.confirmTone === "primary" ? "btn btn-primary" : "btn btn-danger", textContent: form.dataset.confirmYes });
  const no = make("button", { type: "button", className: "btn btn-outline-secondary", textContent: form.dataset.confirmNo });
  yes.addEventListener("click", () => {
    form.dataset.confirmed = "yes";
    dialog.close();
    form.requestSubmit(event.submitter || undefined);
  });
  no.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  buttons.append(no, yes);
  dialog.append(make("p", { id: "confirm-question", textContent: form.dataset.confirm }), buttons);
  document.body.append(dialog);
  dialog.showModal();
  no.focus();
});

// A file leaves its form's page where it is: what was wrong before it was sent again is no longer said.
function forgetErrors(form) {
  if (!document.querySelector(".error-summary")) return;
  for (const said of document.querySelectorAll(".error-summary, .field-error")) said.remove();
  for (const field of form.querySelectorAll(".field-wrong")) field.classList.remove("field-wrong");
  for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
  document.title = document.querySelector("title").dataset.plain || document.title;
}

// A second press of a submit button does not send a form twice.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
  // The answer may be slow: the server stores a form once all the same.
  window.setTimeout(() => delete event.target.dataset.sent, 30000);
  if (event.target.hasAttribute("data-download") && !event.defaultPrevented) takeAway(event);
});

// A file is fetched, so that its page can say what was taken. An answer that is no file is asked for as a form asks for it.
async function takeAway(event) {
  const form = event.target;
  event.preventDefault();
  try {
    const answer = await fetch(form.action, { method: "POST", redirect: "manual", body: new URLSearchParams(new FormData(form)) });
    const [, name] = /^attachment;.*filename\*=UTF-8''([^;]+)|$/.exec(answer.headers.get("Content-Disposition") || "");
    const [, plain] = /^attachment; filename="?([^";]+)|$/.exec(answer.headers.get("Content-Disposition") || "");
    if (!answer.ok || !(name || plain)) throw new Error("no file");
    const link = make("a", { href: URL.createObjectURL(await answer.blob()), download: name ? decodeURIComponent(name) : plain });
    link.click();
    window.setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  } catch {
    form.submit();
    return;
  }
  forgetErrors(form);
  delete form.dataset.sent;
  const place = new URL(form.action);
  place.searchParams.delete("answer"); // what was wrong before is not asked for again
  const page = new DOMParser().parseFromString(await (await fetch(place)).text(), "text/html");
  for (const old of document.querySelectorAll("main > .note[role]")) old.remove();
  document.querySelector("main > .head").after(...page.querySelectorAll("main > .note[role]"));
}

window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent; // back from the browser's memory
});

// Before the sign-in nothing can be kept on the server: there a page that answers a form is left as an address, so that reload
// and Back ask for it anew. Every other form is answered by a redirect.
if (document.body.hasAttribute("data-answers-form")) window.history.replaceState(null, "", window.location.href);

// Revealed values disappear after their time, and when the page comes back from the browser's memory.
function remask(place) {
  document.querySelector("main").replaceChildren();
  window.location.replace(place.dataset.remaskUrl || window.location.pathname);
}
for (const place of document.querySelectorAll("[data-remask-after]")) {
  const end = Date.now() + Number(place.dataset.remaskAfter) * 1000;
  window.setTimeout(() => remask(place), Number(place.dataset.remaskAfter) * 1000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && Date.now() >= end) remask(place);
  });
}
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  const place = document.querySelector("[data-remask-after]");
  if (place) remask(place);
});

// Copying: <button data-copy="text" data-copied="word shown afterwards">.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = button.dataset.copied || button.textContent;
  });
}

// A day can be typed as 24.11.2026 or chosen from the browser's own calendar.
for (const place of document.querySelectorAll("[data-day]")) {
  const typed = place.querySelector("input");
  const picker = make("input", { type: "date", tabIndex: -1 });
  if (typed.disabled || typed.readOnly || !("showPicker" in picker)) continue;
  picker.setAttribute("aria-hidden", "true");
  const button = make("button", { type: "button", className: "btn btn-outline-secondary", title: place.dataset.day });
  button.setAttribute("aria-label", place.dataset.day);
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  picture.setAttribute("class", "icon");
  picture.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `${sprite}#calendar`);
  picture.append(use);
  button.append(picture);
  button.addEventListener("click", () => {
    const parts = typed.value.trim().split(".");
    picker.value = parts.length === 3 ? parts.reverse().map((part) => part.padStart(2, "0")).join("-") : "";
    picker.showPicker();
  });
  picker.addEventListener("change", () => {
    if (picker.value) typed.value = picker.value.split("-").reverse().join(".");
    typed.focus();
  });
  place.append(button, picker);
}

// Long lists of boxes can be narrowed by typing; i and ı, s and ş and so on find each other.
const plain = (text) => text.toLocaleLowerCase("tr").replaceAll("ı", "i").normalize("NFD").replace(/\p{M}/gu, "");
for (const box of document.querySelectorAll("[data-narrow]")) {
  const find = make("input", { type: "search", className: "form-control options-find", placeholder: box.dataset.narrow });
  find.setAttribute("aria-label", box.dataset.narrow);
  find.addEventListener("input", () => {
    const wanted = plain(find.value.trim());
    for (const option of box.querySelectorAll(".form-check")) {
      const shown = plain(option.textContent).includes(wanted);
      option.hidden = !shown && !option.querySelector("input").checked;
    }
  });
  find.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
  box.before(find);
}

// A refused form begins at its summary.
const summary = document.querySelector("[data-focus]");
if (summary) summary.focus();

// What is typed into a long form is kept on the server, a little after each pause and when the page is left.
for (const form of document.querySelectorAll("form[data-keep]")) {
  const said = make("p", { className: "kept" });
  said.setAttribute("role", "status");
  form.querySelector(".form-end").append(said);
  let waiting = 0;
  const keep = async () => {
    window.clearTimeout(waiting);
    waiting = 0;
    try {
      const answer = await fetch(form.dataset.keep, { method: "POST", body: new FormData(form), keepalive: true, redirect: "manual" });
      said.classList.toggle("failed", !answer.ok);
      const gone = answer.type === "opaqueredirect" || answer.status === 401;
      said.textContent = answer.ok ? (await answer.json()).said : gone ? form.dataset.keepEnded : form.dataset.keepFailed;
    } catch {
      said.classList.add("failed");
      said.textContent = form.dataset.keepFailed;
    }
  };
  form.addEventListener("input", () => {
    if (!waiting) waiting = window.setTimeout(keep, 3000);
  });
  form.addEventListener("submit", () => {
    window.clearTimeout(waiting);
    waiting = 0;
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && waiting) keep();
  });
}
