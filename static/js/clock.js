/* The exchange's clock. The server sends the coming sessions once (dcc.Store "market-hours":
   {name, timezone, place, sessions: [[open, close], ...] in epoch seconds}); the rest is here. */
(function () {
  "use strict";
  const callbacks = window.dash_clientside.mlt;
  let timer = 0;

  const time = (seconds, zone) =>
    new Date(seconds * 1000).toLocaleTimeString("en-GB", {
      timeZone: zone,
      hour: "2-digit",
      minute: "2-digit",
    });

  const day = (seconds, zone) =>
    new Date(seconds * 1000).toLocaleDateString("en-GB", { timeZone: zone, weekday: "short" });

  const say = (id, text) => (document.getElementById(id).textContent = text);

  function state(hours, now) {
    const zone = hours.timezone;
    const next = hours.sessions.find(([, close]) => now < close);
    if (!next) return { open: false, text: hours.name, next: ", reload for its hours" };
    const [open, close] = next;
    if (now >= open) {
      return { open: true, text: `${hours.name} open`, next: ` until ${time(close, zone)}` };
    }
    const today = day(open, zone) === day(now, zone) && open - now < 86400;
    const when = today ? time(open, zone) : `${day(open, zone)} ${time(open, zone)}`;
    return { open: false, text: `${hours.name} closed`, next: `, opens ${when}` };
  }

  callbacks.startClock = (hours) => {
    clearTimeout(timer);
    if (!hours) return;
    const tick = () => {
      const now = Date.now() / 1000;
      const { open, text, next } = state(hours, now);
      say("clock-state", text);
      say("clock-next", next);
      say("clock-time", `${time(now, hours.timezone)} ${hours.place}`);
      document.getElementById("clock").classList.toggle("is-open", open);
      timer = setTimeout(tick, (60 - (now % 60)) * 1000 + 20);
    };
    tick();
  };
})();
