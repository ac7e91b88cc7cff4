// A session's end is announced before it comes. The server is asked first: another tab may have kept the session alive.
"use strict";

const session = document.querySelector("[data-session]");
if (session) {
  const notice = session.querySelector(".session-end");
  const form = notice.querySelector("form");
  const [url, warning] = [session.dataset.session, Number(session.dataset.warning)];
  let timer = 0;

  const say = (kind, at) => {
    for (const part of notice.querySelectorAll("[data-end]")) part.hidden = part.dataset.end !== kind;
    for (const time of notice.querySelectorAll("time")) {
      if (at) time.textContent = at.toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
    }
    form.hidden = kind !== "idle";
    notice.hidden = false;
  };

  // Protected values that are shown do not outlive the session: it is asked for more often while they are.
  const revealed = document.querySelector("[data-remask-after]");
  const over = () => {
    if (revealed) {
      document.querySelector("main").replaceChildren();
      window.location.replace(revealed.dataset.remaskUrl);
    } else say("over");
  };
  if (revealed) window.setInterval(() => ask(), 5000);

  const wait = (seconds) => {
    window.clearTimeout(timer);
    timer = window.setTimeout(ask, Math.max(seconds, 1) * 1000);
  };

  const plan = ({ idle, absolute }) => {
    const kind = idle < absolute ? "idle" : "absolute";
    const left = Math.min(idle, absolute);
    if (left > warning) {
      notice.hidden = true;
      wait(left - warning);
    } else {
      if (notice.hidden || !notice.querySelector("[data-end='over']").hidden) say(kind, new Date(Date.now() + left * 1000));
      wait(left + 1);
    }
  };

  const ask = async (sent) => {
    try {
      const answer = await fetch(url, { redirect: "manual", cache: "no-store", ...sent });
      if (answer.ok) plan(await answer.json());
      else if (answer.type === "opaqueredirect" || answer.status === 401) over();
      else wait(30);
    } catch {
      wait(30); // the network is away; the session may be there still
    }
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    notice.hidden = true;
    ask({ method: "POST", body: new FormData(form) });
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) ask(); // back from another tab, or from a computer's sleep
  });
  wait(Number(session.dataset.left) - warning);
}

// After a new sign-in a form that came too late is shown again.
const again = document.querySelector("form[data-send-now]");
if (again) again.submit();
