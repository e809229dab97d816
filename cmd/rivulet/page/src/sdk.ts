/**
 * What every page needs of the SDK. Ringing and direct paths are left out: a
 * module of their own (phone.ts) that only those fetch who ring.
 */
export { type Call, connect } from "../../../../sfu/client/web/src/call";
export { captureCamera, captureError, captureMicrophone, captureScreen } from "../../../../sfu/client/web/src/capture";
export { CallError } from "../../../../sfu/client/web/src/errors";
export type { Source } from "../../../../sfu/client/web/src/protocol";
