import Glibc

/// Whether everything is tested, as `launch/test --full` and `.ci/run` ask for with
/// `MECA_TEST_FULL=1`.
///
/// The short run of ten minutes has every kind of test in it, but fewer cases of the costly ones:
/// ```swift
/// @Test(.enabled(if: runsFull, "only in launch/test --full")) func theWholeDemonstration() …
/// for _ in 0..<casesOfTenThousand { … }
/// ```
package let runsFull = getenv("MECA_TEST_FULL").map { String(cString: $0) } == "1"

/// How many ways of damaging a file are tried for each format.
package let casesOfTenThousand = runsFull ? 10_000 : 500

/// A bound for 10,000 cases, brought to the number that is tried.
package func share(_ bound: Int) -> Int { bound * casesOfTenThousand / 10_000 }
