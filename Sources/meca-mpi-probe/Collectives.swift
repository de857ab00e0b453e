import MecaMPI

/// Calls every collective with values whose result is known, and throws on the first difference.
func checkCollectives(_ ranks: Communicator) throws {
  let (rank, size) = (ranks.rank, ranks.size)
  func expect(_ holds: Bool, _ what: String) throws {
    try ranks.collectively { if !holds { throw ProbeError(text: "wrong result of \(what)") } }
  }

  for root in 0..<size {
    // The other ranks begin with another length.
    var values = rank == root ? [Float](repeating: Float(root) + 0.5, count: 1000 + root) : [1]
    try ranks.broadcast(&values, from: root)
    try expect(
      values == [Float](repeating: Float(root) + 0.5, count: 1000 + root), "broadcast")
    let text = try ranks.broadcastText(rank == root ? "Grüße von \(root)" : "", from: root)
    try expect(text == "Grüße von \(root)", "broadcastText")
    try expect(try ranks.broadcastValue(rank, from: root) == root, "broadcastValue")
    var empty: [Int] = rank == root ? [] : [1, 2, 3]
    try ranks.broadcast(&empty, from: root)
    try expect(empty.isEmpty, "broadcast of nothing")
  }
  var fixed = [Int32](repeating: Int32(rank), count: 77)
  try fixed.withUnsafeMutableBufferPointer { try ranks.broadcast($0, from: size - 1) }
  try expect(fixed == [Int32](repeating: Int32(size - 1), count: 77), "broadcast of a buffer")

  var least = [Int64(-rank), Int64(rank)]
  var most = least
  try ranks.allReduceMin(&least)
  try ranks.allReduceMax(&most)
  try expect(least == [Int64(1 - size), 0] && most == [0, Int64(size - 1)], "allReduceMin, Max")
  // Rank r brings r elements, so that one part is empty.
  let parts = try ranks.allGather(
    local: [Int32](repeating: Int32(rank), count: rank), counts: Array(0..<size))
  let expected = (0..<size).flatMap { [Int32](repeating: Int32($0), count: $0) }
  try expect(parts == expected, "allGather")
  let names = (0..<size).map { String(repeating: "ä", count: $0) }
  try expect(try ranks.allGatherText(names[rank]) == names, "allGatherText")

  let placements = try ranks.placements()
  try expect(placements.count == size && placements[rank] == ranks.placement, "placements")
  try ranks.sleepingBarrier()
  try ranks.barrier()
}
