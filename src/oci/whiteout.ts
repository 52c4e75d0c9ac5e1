/**
 * What a layer hides a path of the layers below with: a file of this name before the path's own.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts
 */
export const WHITEOUT = ".wh.";

/** What in a layer says of its directory that nothing of the layers below shows in it. */
export const OPAQUE = ".wh..wh..opq";

/** What else begins so is some other program's bookkeeping. */
export const BOOKKEEPING = ".wh..wh.";
