import MecaMPI
import Testing

@Suite struct ShardForestTests {
  static let count = 37

  /// Fills a forest with the vectors of its range.
  func fill(_ forest: ShardForest, _ vectors: [[Float]]) {
    forest.clear()
    for shard in forest.range {
      let buffer = forest.nextBuffer()
      for index in 0..<Self.count { buffer[index] = vectors[shard][index] }
      forest.add(shard: shard)
    }
    #expect(forest.isComplete)
  }

  /// Fills a forest whose last vector becomes complete in parts.
  func fillInParts(_ forest: ShardForest, _ vectors: [[Float]]) {
    forest.clear()
    for shard in forest.range {
      let buffer = forest.nextBuffer()
      for index in 0..<Self.count { buffer[index] = vectors[shard][index] }
      if shard == forest.range.last {
        for part in [20..<Self.count, 19..<20, 0..<19] { forest.addPart(part) }
        #expect((0..<Self.count).allSatisfy { buffer[$0] == vectors[shard][$0] })
        forest.close(shard: shard)
      } else {
        forest.add(shard: shard)
      }
    }
  }

  /// The root through `size` forests side by side that are then joined, as threads do it.
  func root(_ vectors: [[Float]], size: Int) -> [Float] {
    let shards = vectors.count
    let forests = (0..<size).map {
      ShardForest(
        shards: shards, range: shardRange(rank: $0, size: size, shards: shards),
        elementCount: Self.count)
    }
    let joined = JoinedForests(forests)
    #expect(joined.range == 0..<shards)
    func sum() -> [Float] {
      Array(UnsafeBufferPointer(start: joined.rootValues, count: Self.count))
    }
    for forest in forests { fill(forest, vectors) }
    #expect(joined.isComplete)
    joined.join(0..<Self.count)
    let whole = sum()
    // Again in used memory, and in parts.
    for forest in forests { fillInParts(forest, vectors) }
    for part in [30..<Self.count, 0..<30] { joined.join(part) }
    #expect(sum().map(\.bitPattern) == whole.map(\.bitPattern))
    return whole
  }

  @Test(arguments: 1...17) func everyCutGivesTheBitsOfTheDefinition(shards: Int) {
    let vectors = (0..<shards).map { shardVector($0, count: Self.count, seed: 7) }
    let expected = naiveRoot(vectors).map(\.bitPattern)
    #expect(expected.count == Self.count)
    for size in 1...18 {
      #expect(root(vectors, size: size).map(\.bitPattern) == expected, "\(size) forests")
    }
  }

  /// Shows that the numbers above can tell two orders apart.
  @Test func addingFromLeftToRightGivesOtherBits() {
    var differing = 0
    for shards in 4...17 {
      let vectors = (0..<shards).map { shardVector($0, count: Self.count, seed: 7) }
      var flat = vectors[0]
      for vector in vectors.dropFirst() {
        for index in flat.indices { flat[index] += vector[index] }
      }
      if flat.map(\.bitPattern) != root(vectors, size: 1).map(\.bitPattern) { differing += 1 }
    }
    #expect(differing == 14)
  }

  @Test func shardsOutOfOrderStopTheProgram() async {
    await #expect(processExitsWith: .failure) {
      let forest = ShardForest(shards: 4, range: 0..<4, elementCount: 8)
      _ = forest.nextBuffer()
      forest.add(shard: 1)
    }
    await #expect(processExitsWith: .failure) {
      // Shard 2 is missing.
      _ = JoinedForests([0..<2, 3..<4].map { ShardForest(shards: 4, range: $0, elementCount: 8) })
    }
  }
}
