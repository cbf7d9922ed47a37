// On the platform a relation offers records of one tenant only: the record's own, or the one chosen in the form.
"use strict";
addEventListener("DOMContentLoaded", () => {
  django.jQuery.ajaxPrefilter((options) => {
    if (!options.url.includes("/autocomplete/") || String(options.data).includes("field_name=tenant")) {
      return;
    }
    const fixed = document.querySelector("[data-tenant]");
    const chosen = document.getElementById("id_tenant");
    const tenant = fixed?.dataset.tenant || chosen?.value;
    if (tenant) {
      options.data += `&tenant=${encodeURIComponent(tenant)}`;
    }
  });
});
