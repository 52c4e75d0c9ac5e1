/** How messages are read: nothing unknown is passed on, and as objects it would take a hundred times its room on the wire. */
export const decoding = { readUnknownFields: false } as const;
