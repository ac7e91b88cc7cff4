// A field that names a record is found by typing, a page at a time: an ARIA 1.2 combobox over a select or a text field.
// Without this script the plain control works as it is. What is typed is posted, so that it is in no address.
"use strict";

for (const control of document.querySelectorAll("[data-choices]")) combobox(control);

function combobox(control) {
  const select = control.matches("select") ? control : null;
  const input = select ? inPlaceOf(select) : control;
  const none = select && [...select.options].find((option) => option.value === "");
  const box = part("div", "choices", input);
  const list = Object.assign(document.createElement("ul"), { id: `${input.id}-choices`, hidden: true });
  const said = Object.assign(document.createElement("p"), { className: "choices-said" });
  let wanted = "", next = null, active = null, waiting = 0, asking = null, stale = false; // stale: typed, not yet asked

  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", document.querySelector(`label[for="${input.id}"]`).textContent.trim());
  said.setAttribute("role", "status");
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false",
    "aria-controls": list.id, autocomplete: "off", spellcheck: "false" })) input.setAttribute(name, value);
  box.append(list, said);

  const chosenText = () => (select ? select.selectedOptions[0]?.textContent.trim() || "" : input.value);

  function close() {
    window.clearTimeout(waiting);
    asking?.abort();
    asking = null;
    stale = false;
    list.hidden = true;
    said.textContent = "";
    input.setAttribute("aria-expanded", "false");
    mark(null);
  }

  function mark(option) {
    active?.setAttribute("aria-selected", "false");
    active = option;
    if (!option) return input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  function add(id, text) {
    const option = Object.assign(document.createElement("li"), { id: `${list.id}-${list.children.length}`, textContent: text });
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", "false");
    option.dataset.id = id;
    list.append(option);
  }

  async function ask(text, after) {
    window.clearTimeout(waiting);
    asking?.abort();
    const mine = (asking = new AbortController());
    const sent = new URLSearchParams({ csrf_token: input.form.elements.csrf_token.value, q: text });
    if (after) sent.append("after", after);
    if (after) sent.append("shown", list.querySelectorAll("[data-id]:not([data-id=''])").length);
    try {
      const answer = await fetch(control.dataset.choices, { method: "POST", body: sent, redirect: "manual", signal: mine.signal });
      if (!answer.ok) throw new Error();
      show(await answer.json(), text, after);
    } catch {
      if (!mine.signal.aborted) said.textContent = control.dataset.choicesFailed;
    } finally {
      if (asking === mine) asking = null;
    }
  }

  function show(found, text, after) {
    if (!after) {
      mark(null);
      list.replaceChildren();
      if (none && !text) add("", none.textContent.trim());
    }
    [wanted, next, stale] = [text, found.next, false];
    for (const { id, text: name } of found.items) add(id, name);
    list.hidden = !list.children.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    said.textContent = found.said;
  }

  function choose(option) {
    const { id } = option.dataset;
    input.value = option.textContent;
    if (select) {
      if (![...select.options].some((one) => one.value === id)) select.add(new Option(option.textContent, id));
      select.value = id;
      select.dispatchEvent(new Event("input", { bubbles: true }));
    }
    close();
  }

  async function along(step) {
    if (list.hidden || stale) {
      await ask(select && input.value === chosenText() ? "" : input.value.trim());
      return mark(step > 0 ? list.firstElementChild : list.lastElementChild);
    }
    if (step > 0 && active === list.lastElementChild && next && !asking) await ask(wanted, next);
    if (!active) return mark(step > 0 ? list.firstElementChild : list.lastElementChild);
    mark((step > 0 ? active.nextElementSibling : active.previousElementSibling) || active);
  }

  input.addEventListener("input", () => {
    stale = true;
    mark(null);
    window.clearTimeout(waiting);
    waiting = window.setTimeout(() => ask(input.value.trim()), 250);
  });
  input.addEventListener("click", () => {
    if (select && list.hidden) along(1).then(() => mark(null));
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey) return;
    const open = !list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") along(event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "Enter" && open && active && !stale) choose(active);
    else if (event.key === "Enter" && select && input.value !== chosenText()) ask(input.value.trim()); // not sent unchosen
    else if (event.key === "Escape" && (open || (select && input.value !== chosenText()))) {
      if (select && !open) input.value = chosenText();
      close();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  input.addEventListener("blur", () => {
    close();
    if (select && none && !input.value.trim()) choose(Object.assign(document.createElement("li"), { textContent: none.textContent.trim() }));
    else if (select) input.value = chosenText();
  });
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the focus stays in the field
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role='option']");
    if (option) choose(option);
  });
  list.addEventListener("scroll", () => {
    if (next && !asking && list.scrollTop + list.clientHeight > list.scrollHeight - 40) ask(wanted, next);
  });
}

// The text field that is seen; the select goes on holding the value that is sent.
function inPlaceOf(select) {
  const input = Object.assign(document.createElement("input"), { type: "text", className: "form-select", id: select.id });
  for (const name of ["aria-describedby", "aria-invalid"]) {
    if (select.hasAttribute(name)) input.setAttribute(name, select.getAttribute(name));
  }
  input.classList.toggle("is-invalid", select.classList.contains("is-invalid"));
  input.value = select.selectedOptions[0]?.textContent.trim() || "";
  select.id = `${select.id}-value`;
  select.hidden = true;
  select.after(input);
  return input;
}

function part(name, className, around) {
  const element = Object.assign(document.createElement(name), { className });
  around.before(element);
  element.append(around);
  return element;
}
