import Foundation
import MecaCore
import MecaTraining
import Testing

/// What a rank does when, and the file of it.
@MainActor @Suite(.serialized) struct TraceTests {
  private func events(_ trace: RunTrace) throws -> [[String: Any]] {
    let text = "[" + trace.text(track: 4, "rank 4 on \"host\"") + "]"
    return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]])
  }

  @Test func spansAreWrittenFromTheLongestOn() throws {
    let trace = try RunTrace(on: try loneRank.get())
    struct Failure: Error {}
    #expect(throws: Failure.self) {
      try trace.span("outer", .stage) {
        _ = trace.span("inner\u{1B}[31m", .pass) { usleep(2000) }
        throw Failure()
      }
    }
    let events = try events(trace)
    let names = events.compactMap { ($0["args"] as? [String: Any])?["name"] as? String }
    #expect(names == ["meca-dist", "rank 4 on \"host\""])
    let spans = events.filter { $0["ph"] as? String == "X" }
    #expect(spans.map { $0["cat"] as? String } == ["stage", "pass"])
    #expect(spans.allSatisfy { $0["tid"] as? Int == 5 && $0["pid"] as? Int == 1 })
    #expect((spans[1]["name"] as? String)?.contains("\u{1B}") == false)
    let lengths = spans.compactMap { $0["dur"] as? Double }
    #expect(lengths[1] >= 2000 && lengths[0] >= lengths[1])
  }

  /// Steps leave half of the room to what is longer.
  @Test func thereIsRoomForSoManySpansAlone() throws {
    let trace = try RunTrace(on: try loneRank.get())
    let now = ContinuousClock.now
    for _ in 0..<30_000 { trace.add("step", .step, from: now) }
    for number in 0..<15_000 { trace.add("epoch \(number)", .epoch, from: now) }
    let text = trace.text(track: 0, "rank 0")
    #expect(text.components(separatedBy: "\"cat\":\"step\"").count == 20_001)
    #expect(text.components(separatedBy: "\"cat\":\"epoch\"").count == 15_001)
    #expect(text.contains("rank 0, 10000 spans left out for want of room"))
    #expect(text.utf8.count < 8_000_000)
  }

  @Test func aFileOfSomebodyElsesIsLeftAlone() throws {
    let folder = try TestFolder()
    let path = folder.path + "/trace.json"
    try RunTrace.prepare(path)
    let trace = try RunTrace(on: try loneRank.get())
    trace.span("all", .stage) {}
    try trace.write(to: path, on: try loneRank.get())
    let file = try Data(contentsOf: URL(fileURLWithPath: path))
    let object = try #require(try JSONSerialization.jsonObject(with: file) as? [String: Any])
    #expect((object["traceEvents"] as? [Any])?.count == 4)
    try RunTrace.prepare(path)
    let empty = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect(try JSONSerialization.jsonObject(with: empty) is [String: Any])
    try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
    #expect(throws: UsageError.self) { try RunTrace.prepare(path) }
    #expect(throws: UsageError.self) { try RunTrace.prepare(folder.path) }
    #expect(throws: FileError.self) { try RunTrace.prepare(folder.path + "/none/trace.json") }
  }
}
