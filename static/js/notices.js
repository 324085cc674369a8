/* How many notices of one's alerts are unread: a mark in the top bar. Asked for when a page has
   loaded, when it is looked at again, and now and then while it is.

   mlt.askNotices()                           ask now */
(function () {
  "use strict";
  const mlt = window.mlt;
  const EVERY_MS = 30000;
  let known = null; // nothing was told yet

  async function ask() {
    let answer;
    try {
      answer = await fetch("/notices", { headers: { Accept: "application/json" } });
    } catch {
      return; // callbacks say that the server does not answer
    }
    if (answer.status !== 200) return;
    show((await answer.json()).unread);
  }

  function show(unread) {
    const mark = document.getElementById("unread");
    if (!mark) return;
    const words = unread === 1 ? "1 unread notice" : `${unread} unread notices`;
    mark.hidden = !unread;
    mark.title = words;
    mark.setAttribute("aria-label", words);
    document.getElementById("unread-count").textContent = unread > 99 ? "99+" : String(unread);
    const more = known !== null && unread > known;
    known = unread;
    if (more && location.pathname === "/alerts") mlt.ask(); // the list is drawn anew
    else if (more) mlt.toast(`${words} of your alerts`);
  }

  mlt.askNotices = ask;

  window.dash_clientside.mlt.noticesRead = (unread) => {
    if (typeof unread === "number") show(unread);
  };

  const looked = () => document.visibilityState === "visible" && ask();
  setInterval(looked, EVERY_MS);
  document.addEventListener("visibilitychange", looked);
  document.addEventListener("mlt:address", function first() {
    document.removeEventListener("mlt:address", first);
    ask(); // the frame stands
  });
})();
