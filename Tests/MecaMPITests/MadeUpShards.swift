import MecaCore

/// Shard `shard`'s numbers, as `meca-mpi-probe` makes them: sizes differ by up to 2⁴⁰, so that the
/// order of additions shows in the bits.
func shardVector(_ shard: Int, count: Int, seed: UInt64) -> [Float] {
  var random = KeyedRandom(seed: seed, purpose: .test, shard)
  return (0..<count).map { _ in
    let scale = Float(sign: .plus, exponent: random.integer(below: 41) - 20, significand: 1)
    return random.uniform(in: -1...1) * scale
  }
}

/// The definition of the sum, word for word: node (level, index) is left + right, or left alone.
func naiveNode(_ level: Int, _ index: Int, _ vectors: [[Float]]) -> [Float]? {
  guard index << level < vectors.count else { return nil }
  if level == 0 { return vectors[index] }
  guard let left = naiveNode(level - 1, 2 * index, vectors) else { return nil }
  guard let right = naiveNode(level - 1, 2 * index + 1, vectors) else { return left }
  return left.indices.map { left[$0] + right[$0] }
}

/// The root's value by definition.
func naiveRoot(_ vectors: [[Float]]) -> [Float] {
  var level = 0
  while 1 << level < vectors.count { level += 1 }
  return naiveNode(level, 0, vectors)!
}

/// Digest of the sum of made-up shards by definition.
func naiveDigest(shards: Int, count: Int, seed: UInt64) -> String {
  var digest = SHA256Digest()
  digest.update(naiveRoot((0..<shards).map { shardVector($0, count: count, seed: seed) }))
  return digest.hexadecimal()
}
