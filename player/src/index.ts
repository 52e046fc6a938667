/**
 * A video player for Stratos. Importing this module defines `<stratos-player>`.
 *
 * @module
 */
export { Events, type FailoverReport, type IntegrityReport, type SessionInfo } from "./constants.js";
export { type ErrorCode, PlayerError } from "./errors.js";
export { StratosPlayer } from "./stratos-player.js";
