import { InvalidArgumentError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { isDocumentType } from "../oci/media-types.js";
import type { Platform } from "../oci/platform.js";
import { type PlatformMatcher, platformMatcher } from "../oci/platform-match.js";

/** Which of an index's manifests are looked at. */
export interface PlatformChoice {
  /**
   * Only those for this platform, the best first, and those that do not say what they are for. All, in their order, when absent.
   * What is no manifest, such as a part of a checkpoint, is never left out.
   */
  readonly platform?: Platform | PlatformMatcher | undefined;
  /** At most so many of each index. No limit when absent, or 0. */
  readonly manifestLimit?: number | undefined;
}

/** The matcher that was meant: a platform alone stands for what runs on it. */
export function matcherOf(platform: Platform | PlatformMatcher): PlatformMatcher {
  return "matches" in platform ? platform : platformMatcher(platform);
}

/**
 * Makes the choice once, to be applied to the children of each index.
 *
 * @throws {InvalidArgumentError} when the limit is not a whole number from 0
 */
export function manifestFilter({
  platform,
  manifestLimit = 0,
}: PlatformChoice): (manifests: readonly Descriptor[]) => readonly Descriptor[] {
  if (!Number.isSafeInteger(manifestLimit) || manifestLimit < 0) {
    throw new InvalidArgumentError(`Cannot limit manifests to ${manifestLimit}: expected a whole number from 0`);
  }
  if (platform === undefined && manifestLimit === 0) return (manifests) => manifests;
  const matcher = platform === undefined ? undefined : matcherOf(platform);
  return (all) => {
    const documents = all.filter(({ mediaType }) => isDocumentType(mediaType));
    const chosen = matcher === undefined ? documents : bestFirst(documents, matcher);
    const kept = new Set(manifestLimit === 0 ? chosen : chosen.slice(0, manifestLimit));
    return [...kept, ...all.filter(({ mediaType }) => !isDocumentType(mediaType))];
  };
}

/** Those that run on the platform, the best first and in their order among equals; last those that do not say. */
function bestFirst(manifests: readonly Descriptor[], matcher: PlatformMatcher): readonly Descriptor[] {
  const suits = (one: Descriptor): boolean => one.platform === undefined || matcher.matches(one.platform);
  return manifests.filter(suits).sort((a, b) => {
    if (a.platform === undefined || b.platform === undefined) {
      return Number(a.platform === undefined) - Number(b.platform === undefined);
    }
    return matcher.compare(a.platform, b.platform);
  });
}
