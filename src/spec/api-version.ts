/** The newest version of the Engine API that is spoken, and the one of paths without a prefix. */
export const API_VERSION = "1.51";
/** The oldest version spoken. */
export const MIN_API_VERSION = "1.24";
