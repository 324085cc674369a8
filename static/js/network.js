/* Dash says nothing when the server does not answer a callback, or fails. Say it. */
(function () {
  "use strict";
  const mlt = window.mlt;
  const send = window.fetch;
  let leaving = false;

  addEventListener("pagehide", () => (leaving = true));

  const isCallback = (request) => String(request.url || request).includes("_dash-update-component");

  window.fetch = async (request, options) => {
    try {
      const answer = await send(request, options);
      if (answer.status >= 500 && isCallback(request)) {
        mlt.toast(`The server failed (${answer.status}). Try again.`, "error");
      }
      return answer;
    } catch (error) {
      if (isCallback(request) && !leaving && error.name !== "AbortError") {
        mlt.toast("The server does not answer. Check the connection and try again.", "error");
      }
      throw error;
    }
  };
})();
