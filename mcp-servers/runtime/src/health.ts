import { Failure } from './failure.ts';

/** How long a verdict of the vendor is taken as good, in milliseconds. */
const GOOD_FOR = 5 * 60_000;

/** How long before a vendor that refused or did not answer is asked again, in milliseconds. */
const BAD_FOR = 60_000;

/**
 * What is known of the vendor's view of our credentials. Real calls teach it; where there were none for a while, one
 * background check does. Asking for the verdict never waits for the vendor.
 */
export class Health {
  #refusal: string | null = null;
  #due = 0;
  #checking = false;

  /**
   * @param check asks the vendor, and throws a Failure of kind `refused` when it does not accept the credentials
   * @param masked takes secrets out of a reason before it is shown
   */
  constructor(
    private readonly check: (() => Promise<unknown>) | null,
    private readonly masked: (reason: string) => string,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Why the vendor refuses the credentials, or null. */
  get refusal(): string | null {
    return this.#refusal;
  }

  /** A call to the vendor succeeded. */
  accepted(): void {
    this.#refusal = null;
    this.#due = this.now() + GOOD_FOR;
  }

  /** A call failed; only a refusal of the credentials makes the instance unhealthy. */
  failed(error: unknown): void {
    if (!(error instanceof Failure) || error.kind !== 'refused') return;
    this.#refusal = this.masked(error.message);
    this.#due = this.now() + BAD_FOR;
  }

  /** Starts a check in the background if what is known is old and none is under way. */
  refresh(): void {
    if (this.check === null || this.#checking || this.now() < this.#due) return;
    this.#checking = true;
    // Until it says otherwise; a vendor that is down is not asked at each probe.
    this.#due = this.now() + BAD_FOR;
    this.check()
      .then(
        () => this.accepted(),
        (error: unknown) => this.failed(error),
      )
      .finally(() => {
        this.#checking = false;
      });
  }
}
