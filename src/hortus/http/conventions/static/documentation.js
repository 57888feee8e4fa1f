// Shows the OpenAPI document. Nothing is asked of other servers: `validatorUrl` would be one.
window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#documentation",
    deepLinking: true,
    persistAuthorization: false,
    validatorUrl: null,
  });
});
