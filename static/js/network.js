/* Dash says nothing when the server does not answer a callback, or refuses it. Say it, and tell
   Dash that nothing changed: the page stays as it is. The server refuses with an honest status and
   one line of text; what it has to say of an outage of its database is an answer like any other.

   mlt.signIn()                               where to sign in and come back to this very view */
(function () {
  "use strict";
  const mlt = window.mlt;
  const send = window.fetch;
  const FIRST = ["_dash-layout", "_dash-dependencies"]; // without them there is no page to say it on
  let leaving = false;

  addEventListener("pagehide", () => (leaving = true));
  addEventListener("pageshow", () => (leaving = false));

  const address = (request) => String(request.url || request);
  const isCallback = (request) => address(request).includes("_dash-update-component");
  const isFirst = (request) => FIRST.some((name) => address(request).endsWith(name));

  mlt.signIn = () => "/login?next=" + encodeURIComponent(location.pathname + location.search);

  window.fetch = async (request, options) => {
    let answer;
    try {
      answer = await send(request, options);
    } catch (error) {
      if (isCallback(request) && !leaving && error.name !== "AbortError") {
        mlt.toast("The server does not answer. Check the connection and try again.", "error");
      }
      throw error;
    }
    if (answer.status < 400) return answer;
    if (isFirst(request)) startAnew(answer);
    return isCallback(request) ? refused(answer) : answer;
  };

  const unchanged = () => new Response(null, { status: 204 });

  async function refused(answer) {
    if (answer.status === 401) sessionEnded();
    else if (answer.headers.has("X-Outage")) return outage(answer);
    else mlt.toast(await reason(answer), "error");
    return answer.status >= 500 && answer.status !== 503 ? answer : unchanged();
  }

  function sessionEnded() {
    const link = { className: "button", href: mlt.signIn(), rel: "external", children: "Sign in" };
    mlt.toast("Your session has ended.", "error", mlt.part("A", link));
  }

  /* The toast, the banner and the interval that asks until the database is back (edge.py). Where
     the banner of one that is away stands already, all is said. */
  async function outage(answer) {
    const away = ["database", "busy"].includes(answer.headers.get("X-Outage"));
    if (away && document.querySelector("#banner .banner-error")) return unchanged();
    const headers = { "Content-Type": "application/json" };
    return new Response(await answer.text(), { status: 200, headers });
  }

  /* Our own line, or, where something in front of the server answered, what its status means. */
  async function reason(answer) {
    const ours = (answer.headers.get("Content-Type") || "").startsWith("text/plain");
    const line = ours ? (await answer.text()).trim() : "";
    if (line) return line[0].toUpperCase() + line.slice(1) + ".";
    const seconds = Number(answer.headers.get("Retry-After"));
    const again = seconds > 0 ? `Try again in ${seconds} s.` : "Try again.";
    if (answer.status === 429) return `Too many requests. ${again}`;
    if (answer.status === 503) return `The server is busy. ${again}`;
    return `The server failed (${answer.status}). ${again}`;
  }

  /* The page itself could not be fetched: sign in first, or load it again. */
  function startAnew(answer) {
    if (answer.status === 401) location.assign(mlt.signIn());
    else if (answer.status === 429 || answer.status === 503) {
      const seconds = Number(answer.headers.get("Retry-After")) || 5;
      setTimeout(() => location.reload(), seconds * 1000);
    }
  }
})();
