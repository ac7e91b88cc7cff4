// Passkeys: the server's question goes to the browser, the browser's answer into the form. Without support the form stays
// hidden, a sentence says why, and codes are there.
"use strict";

const bytesOf = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
const textOf = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const known = (list) => (list || []).map((one) => ({ ...one, id: bytesOf(one.id) }));

const asked = {
  get: (options) => ({ ...options, challenge: bytesOf(options.challenge), allowCredentials: known(options.allowCredentials) }),
  create: (options) => ({
    ...options,
    challenge: bytesOf(options.challenge),
    user: { ...options.user, id: bytesOf(options.user.id) },
    excludeCredentials: known(options.excludeCredentials),
  }),
};

const written = (credential) => {
  const response = { clientDataJSON: textOf(credential.response.clientDataJSON) };
  for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[part]) response[part] = textOf(credential.response[part]);
  }
  const transports = credential.response.getTransports?.();
  if (transports) response.transports = transports;
  return JSON.stringify({ id: credential.id, rawId: textOf(credential.rawId), type: credential.type, response, clientExtensionResults: {} });
};

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const elsewhere = window.location.origin !== form.dataset.origin;
  if (elsewhere || !window.PublicKeyCredential) {
    const why = elsewhere ? "elsewhere" : "unknown";
    form.parentElement.querySelector(`:scope > [data-passkey-${why}]`).hidden = false;
    continue;
  }
  const kind = form.dataset.passkey;
  const failed = form.querySelector("[data-passkey-failed]");
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    if (form.elements.credential.value) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    failed.hidden = true;
    try {
      const answer = await fetch(form.dataset.ask, { method: "POST", body: new FormData(form), cache: "no-store" });
      if (answer.redirected) {
        window.location.assign(answer.url); // a fresh second factor comes first
        return;
      }
      if (!answer.ok) throw new Error(answer.status);
      const { question, options } = await answer.json();
      const credential = await navigator.credentials[kind]({ publicKey: asked[kind](options) });
      form.elements.question.value = question;
      form.elements.credential.value = written(credential);
      form.requestSubmit();
    } catch {
      failed.hidden = false;
    }
  });
}
window.addEventListener("pageshow", () => {
  for (const input of document.querySelectorAll("form[data-passkey] input[name='credential']")) input.value = "";
});
