/**
 * Rivulet's JavaScript SDK: one ES module.
 *
 *     import { connect } from "./rivulet.js";
 *     const call = await connect({ room: "garden", name: "Ada" });
 *     call.on("trackpublished", ({ detail: { track } }) => {
 *       if (track.video) call.attach(track, document.querySelector("video"));
 *     });
 *     await call.publish("microphone");
 */
export { Call, connect } from "./call";
export { captureCamera, captureError, captureMicrophone, captureScreen } from "./capture";
export type { CaptureOptions } from "./capture";
export { CallError } from "./errors";
export { TypedTarget } from "./events";
export type { CallEvents, CallState, Listener } from "./events";
export { directPath } from "./direct";
export type { MakeDirect } from "./direct";
export { LocalTrack } from "./local";
export type { Encryption, RTCOptions, Slot } from "./media";
export type { ConnectOptions } from "./options";
export { Participant, RemoteTrack } from "./participants";
export { PROTOCOL_VERSION } from "./protocol";
export { Control } from "./control";
export type { Who } from "./control";
export { dial, Line } from "./ring";
export type { CallEventInfo, CallStateInfo, DeviceInfo, LineEvents, LineOptions, RingOptions, TargetInfo } from "./ring";
export type { DataBudgetInfo, DataMode, EncodeLayerInfo, LayerInfo, Permissions, Quality, SlotStateInfo, Source, TrackViewInfo, VoicesInfo } from "./protocol";
export type { RosterEvents } from "./reduce";
export { VERSION } from "./session";
export type { Counters } from "./session";
export type { ReceivedVideo, SentVideo, Statistics } from "./statistics";
