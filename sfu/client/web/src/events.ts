/**
 * A typed EventTarget: the events of a call with the type of their detail.
 */

/** The listener of one event type of a map. */
export type Listener<D> = (event: CustomEvent<D>) => void;

export class TypedTarget<M> extends EventTarget {
  /**
   * Listens to an event and answers a function that ends it.
   */
  on<K extends keyof M & string>(type: K, listener: Listener<M[K]>): () => void {
    this.addEventListener(type, listener as EventListener);
    return () => this.removeEventListener(type, listener as EventListener);
  }

  /** Dispatches an event with its detail. */
  protected emit<K extends keyof M & string>(type: K, detail: M[K]): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
