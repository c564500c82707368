"use strict";
// Refreshes what is under way: every part of the page with an id and `data-live` is fetched again and put in place, until
// the page says that nothing is under way. The log only gets what is new. Without this script a reload does the same.
(() => {
  const PAUSES = { yes: 2000, later: 10000 };      // milliseconds; "later": nothing is under way, but may begin
  const atEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 40;

  const refresh = async () => {
    const answer = await fetch(location.href, { headers: { "X-Refresh": "1" } });
    if (!answer.ok) return "no";
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of document.querySelectorAll("[data-live]")) {
      const now = fresh.getElementById(old.id);
      if (now && now.innerHTML !== old.innerHTML) old.replaceChildren(...now.childNodes);
    }
    return fresh.body.dataset.underWay;
  };

  const log = document.getElementById("log");
  const more = async () => {
    if (!log) return;
    const answer = await fetch(`${log.dataset.source}?from=${log.dataset.offset}`);
    if (!answer.ok) return;
    const { text, offset } = await answer.json();
    const follow = atEnd(log);
    if (text) log.append(text);
    log.dataset.offset = offset;
    if (follow) log.scrollTop = log.scrollHeight;
  };

  const watch = async () => {
    let underWay = "yes";
    try {
      if (document.visibilityState === "visible") {
        underWay = await refresh();
        await more();
      }
    } catch { underWay = "yes"; }                  // the server was away for a moment
    again(underWay);
  };
  const again = (underWay) => { if (PAUSES[underWay]) setTimeout(watch, PAUSES[underWay]); };
  if (log) log.scrollTop = log.scrollHeight;
  again(document.body.dataset.underWay);
  for (const form of document.querySelectorAll("form[data-ask]")) {
    form.addEventListener("submit", (event) => { if (!confirm(form.dataset.ask)) event.preventDefault(); });
  }
})();
