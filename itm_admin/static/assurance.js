// Shows how far a verification is, and loads the page anew when it has ended. Without it the page has a link.
"use strict";
(() => {
  const place = document.querySelector("[data-progress]");
  if (!place) return;
  const bar = place.querySelector("progress");
  const words = place.querySelector("[data-progress-text]");
  const left = place.querySelector("[data-progress-left]");
  const number = new Intl.NumberFormat(document.documentElement.lang);
  const look = async () => {
    try {
      const answer = await fetch(place.dataset.progress, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const now = await answer.json();
      if (now.state === "done" || now.state === "failed") {
        location.reload();
        return;
      }
      if (now.state === "running" && now.total) {
        bar.value = now.percent;
        left.textContent = now.left;
        words.textContent = words.dataset.progressText
          .replace("{done}", number.format(now.done))
          .replace("{total}", number.format(now.total));
      }
    } catch {
      // the next look may succeed
    }
    setTimeout(look, 1000);
  };
  look();
})();
