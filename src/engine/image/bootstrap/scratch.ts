import { TAR_END } from "../../../layer/tar/writer.ts";
import { BerthError } from "../../../spec/errors.ts";
import type { Recipe } from "./recipe.ts";

/** An image with nothing in it, under a name of one's own: `scratch` itself is a word of Dockerfiles and names no image. */
export const scratch: Recipe = {
  name: "scratch",
  tags: "none",
  takes: [],
  run: {},
  prepare({ tag }) {
    if (tag !== undefined) throw new BerthError("invalid-argument", "bootstrap: scratch has no tags");
    return async function* () {
      yield TAR_END;
    };
  },
};
