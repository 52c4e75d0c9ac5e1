/**
 * Names a lease.
 *
 * @inline
 */
export interface LeaseRef {
  /** Its id. */
  readonly id: string;
}

/** The last parameter of whatever leaves the process. */
export interface CallOptions {
  /** Ends the call; the promise then rejects with `signal.reason`. Cleaning up never depends on it. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the call fails with `DeadlineExceededError`. Without it a call may take as long as the daemon needs. */
  readonly timeoutMs?: number | undefined;
  /** Content and snapshots made by the call are kept from the garbage collector by this lease. */
  readonly lease?: LeaseRef | undefined;
}
