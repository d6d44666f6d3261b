// The options of @hey-api/openapi-ts that its command line does not have.
export default {
  output: { path: "generated/hey", importFileExtension: ".js" },
  plugins: ["@hey-api/client-fetch"],
};
