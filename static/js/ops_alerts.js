/* The page of alerts draws as the other sections of operations do; a form to silence that has just
   come is shown and begun, wherever the page was scrolled to. */
(function () {
  "use strict";
  const callbacks = window.dash_clientside.mlt;

  callbacks.alertsDrawn = (parts) => {
    const before = document.getElementById("silence-reason");
    callbacks.opsDrawn(parts);
    document.dispatchEvent(new Event("mlt:answered")); // the control that was pressed may rest
    const reason = document.getElementById("silence-reason");
    if (!reason || reason === before) return;
    const matchers = document.getElementById("silence-matchers");
    (matchers.value ? reason : matchers).focus({ preventScroll: true });
    document.getElementById("ops-alerts-form").scrollIntoView({ block: "nearest" });
  };
})();
