/** The helper's path: a file in .build/ during development, a virtual file inside the compiled executable. */
declare module "*/berth-helper" {
  const path: string;
  export default path;
}
