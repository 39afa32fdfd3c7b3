/** The package ships no types. */
declare module 'fxa-common-password-list' {
  const list: { test(password: string): boolean };
  // biome-ignore lint/style/noDefaultExport: it is CommonJS, so its export is the default.
  export default list;
}
