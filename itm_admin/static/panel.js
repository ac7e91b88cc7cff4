// Comforts on top of pages that work without scripts. Nothing is fetched, nothing is kept in the browser.
"use strict";

const sprite = new URL("icons.svg", document.currentScript.src).href;
const make = (name, properties) => Object.assign(document.createElement(name), properties);
const typing = (target) => target.closest("input, textarea, select, [contenteditable], dialog") !== null;

// "/" goes to the list's search; Escape closes an open menu and returns to its button.
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.ctrlKey && !event.altKey && !event.metaKey && !typing(event.target)) {
    const search = document.querySelector("[data-search]");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  } else if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("details.menu-toggle[open]")) {
      const inside = menu.contains(document.activeElement);
      menu.open = false;
      if (inside) menu.querySelector("summary").focus();
    }
  }
});

// A press elsewhere closes menus.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu-toggle[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// A form that asks before it is sent.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.confirm || form.dataset.confirmed) return;
  event.preventDefault();
  const dialog = make("dialog", {});
  dialog.setAttribute("aria-labelledby", "confirm-question");
  const buttons = make("div", { className: "buttons" });
  const yes = make("button", { type: "button", className: "btn btn-danger", textContent: form.dataset.confirmYes });
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

// A second press of a submit button does not send a form twice.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
  window.setTimeout(() => delete event.target.dataset.sent, 4000); // a download leaves the page where it is
});

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
