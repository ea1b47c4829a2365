/** Types for values that have arrived and were not checked. */

declare const expected: unique symbol;

/** A value that should be a T, if the other side is of the same version and sends well-formed messages. */
export interface Untrusted<T> {
  readonly [expected]?: T;
}

type KeyOf<T> = T extends unknown ? keyof T : never;
type FieldOf<T, Key> = T extends unknown ? (Key extends keyof T ? T[Key] : undefined) : never;

/** The fields of a record that should be a T; each may be missing or of another type. */
export type Fields<T> = {
  readonly [Key in KeyOf<NonNullable<T>>]?: Untrusted<FieldOf<NonNullable<T>, Key>>;
};
