import MecaCommands
import MecaCore
import MecaMPI
import MecaTestSupport
import Testing

/// How a command ends that does not do what it was asked for.
struct Refusal {
  /// The status with which the process would end.
  let status: Int32
  /// What it would say, without the program's name.
  let text: String
  /// The same as the one line that it becomes.
  var line: String { oneLine(text) }
}

/// Runs a command as the only rank in this process, which takes milliseconds where a start of the
/// program takes half a second, and under `mpirun` two.
///
/// - Returns: nil if it succeeded; a request for help ends in a refusal with status 0.
func refusal(of arguments: [String]) -> Refusal? {
  let alone = Communicator.alone()
  do {
    try MecaDist.run(arguments, on: alone)
    return nil
  } catch {
    let code = (error as? any ReportableError)?.exitCode ?? .internalError
    return Refusal(status: code.rawValue, text: alone.located(error))
  }
}

/// Expects a command to be refused with `status` and one line that has `parts` in it.
///
/// It runs in this process, which says everything that does not depend on ranks and processes, and
/// as the built program where that is asked for: one command of each kind in every run, all of them
/// where everything is tested.
///
/// - Parameters:
///   - ranks: how the program is started in every run: alone (0), or on so many ranks.
///   - fullRanks: how it is started besides where everything is tested.
func expectRefusal(
  of arguments: [String], status: Int32, _ parts: [String], ranks: [Int] = [],
  fullRanks: [Int] = [], sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let found = refusal(of: arguments)
  let refusal = try #require(
    found, "not refused: \(arguments)", sourceLocation: sourceLocation)
  #expect(refusal.status == status, "\(refusal.line)", sourceLocation: sourceLocation)
  #expect(refusal.line.utf8.count < 400, "\(refusal.line)", sourceLocation: sourceLocation)
  for part in parts {
    #expect(refusal.line.contains(part), "\(refusal.line)", sourceLocation: sourceLocation)
  }
  for ranks in ranks + (runsFull ? fullRanks : []) {
    let outcome = try meca(ranks: ranks, arguments, timeout: soon)
    expectOneLine(outcome, status: status, parts, sourceLocation: sourceLocation)
  }
}

/// The same for a training run into a folder of its own, which must be left without a result.
func expectFailure(
  _ arguments: [String], status: Int32, _ parts: [String], ranks: [Int] = [],
  fullRanks: [Int] = [0, 3], in folder: TestFolder? = nil,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let folder = try folder ?? TestFolder()
  try expectRefusal(
    of: ["--output", folder.path + "/run"] + arguments, status: status, parts, ranks: ranks,
    fullRanks: fullRanks, sourceLocation: sourceLocation)
  #expect(!folder.has("run/result.json"), sourceLocation: sourceLocation)
}

/// Expects a program to have ended soon, with `status` and one line that has `parts` in it.
func expectOneLine(
  _ outcome: ProgramOutcome, status: Int32, _ parts: [String],
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(!outcome.timedOut, sourceLocation: sourceLocation)
  #expect(outcome.status == status, "\(outcome.errors)", sourceLocation: sourceLocation)
  #expect(outcome.ownErrorLines.count == 1, "\(outcome.errors)", sourceLocation: sourceLocation)
  let line = outcome.ownErrorLines.first ?? ""
  #expect(line.utf8.count < 400, "\(line)", sourceLocation: sourceLocation)
  for part in parts {
    #expect(line.contains(part), "\(line)", sourceLocation: sourceLocation)
  }
}
