// Shows the API's description; every request that changes something carries the anti-forgery token.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("swagger");
  SwaggerUIBundle({
    url: place.dataset.url,
    domNode: place,
    validatorUrl: null,
    onComplete: () => {
      for (const list of place.querySelectorAll("select:not([aria-label])")) list.setAttribute("aria-label", "Server");
    },
    requestInterceptor: (request) => {
      request.headers["X-CSRFToken"] = place.dataset.csrf;
      return request;
    },
  });
});
