/** Types of what the page sends, derived from the messages. */

import type {
  Action,
  Answers,
  Dismiss,
  Query,
  SetAction,
  SetTraits,
  SyncedTraits,
  Transfer,
  ShowPlane,
} from "./messages.d.ts";

/** Each action but the request for another plane, which may be sent while another action is in flight. */
export type EditAction = Exclude<Action, ShowPlane>;
export type ActionType = EditAction["type"];

/** Fields that every action has. */
type CommonField = "type" | "rid" | "epoch" | "prompts" | "adds";

/** The fields of one action beside those that all have. */
export type DetailOf<Type extends ActionType> = Omit<
  Extract<EditAction, { type: Type }>,
  CommonField
>;

/** The detail of an action as arguments: it can be left out when no field is required. */
export type DetailArguments<Type extends ActionType> =
  Record<never, never> extends DetailOf<Type>
    ? [detail?: DetailOf<Type>]
    : [detail: DetailOf<Type>];

type KeyOf<T> = T extends unknown ? keyof T : never;
type FieldOf<T, Key> = T extends unknown ? (Key extends keyof T ? T[Key] : never) : never;

/** The detail of an action whose type is not known. */
export type ActionDetail = {
  [Key in Exclude<KeyOf<EditAction>, CommonField>]?: FieldOf<EditAction, Key>;
};

/** What is answered by a message of its own, or by none, and not acknowledged. */
export type Request = Query | Transfer | Dismiss;
export type RequestType = Request["type"];

/** A request as it is sent: with its number, which not every answer repeats. */
export type NumberedRequest<Type extends RequestType = RequestType> = Extract<
  Request,
  { type: Type }
> & {
  client: string;
  n: number;
};

/** The content of a request; a later part of a file has the number of the first. */
export type RequestContent<Type extends RequestType> = Omit<
  Extract<Request, { type: Type }>,
  "type" | "client" | "n"
> & { n?: number };

/** Name of the message that answers a request; null: none does. */
export type AnswerTypes = {
  [Type in RequestType]: Type extends keyof Answers ? Answers[Type]["type"] : null;
};

/** The traits of the widget's model. */
export interface ModelTraits extends SyncedTraits {
  /** Not a trait of the kernel: marimo runs dependent cells when any trait of the model changes. */
  _acted: Action["rid"];
}

/** The traits of the model of a set's page, all written by the kernel. */
export type SetModelTraits = SetTraits;

/** The fields of an action on a set beside those that all have. */
export type SetDetailOf<Type extends SetAction["type"]> = Omit<
  Extract<SetAction, { type: Type }>,
  "type" | "rid"
>;
