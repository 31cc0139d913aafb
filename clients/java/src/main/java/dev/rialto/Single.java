package dev.rialto;

/** Hears the one answer of a call. */
final class Single<R> implements Call.Hearer<R> {
  private final Wire.Answer<R> answer;
  private R response;

  Single(Wire.Answer<R> answer) {
    this.answer = answer;
  }

  @Override
  public void message(R message) {
    response = message;
  }

  @Override
  public void ended(RialtoException why) {
    if (why != null) {
      answer.failed(why);
    } else if (response == null) {
      answer.failed(Failures.other("the answer is none"));
    } else {
      answer.succeeded(response);
    }
  }
}
