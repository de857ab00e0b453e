/// Prefixes that wrappers put before the names of a network's tensors: `DataParallel` and DDP,
/// `torch.compile`, Lightning and other programs' own modules.
private let wrappers = ["module.", "_orig_mod.", "model.", "net.", "network.", "backbone."]

/// The names of a network's tensors without what wrappers have put before them; nil for tensors that
/// are not the network's.
///
/// Prefixes are taken off where all names have them, one after the other. A `Sequential` numbers its
/// parts: if the tensors of one part are all but a few buffers (a normalisation in front: `0.mean`,
/// `0.std`), that part is the network.
///
/// Example: `module._orig_mod.fc.bias` becomes `fc.bias`; of `0.mean`, `0.std`, `1.fc.bias`, … the first
/// two are left out.
package func withoutWrappers(_ names: [String]) -> [String?] {
  if let prefix = wrappers.first(where: { prefix in
    !names.isEmpty && names.allSatisfy { $0.hasPrefix(prefix) }
  }) {
    return withoutWrappers(names.map { String($0.dropFirst(prefix.count)) })
  }
  let parts = Dictionary(grouping: names.indices) { names[$0].prefix { $0 != "." } }
  guard parts.keys.allSatisfy({ Int($0) != nil }),
    let largest = parts.max(by: { ($0.value.count, $1.key) < ($1.value.count, $0.key) }),
    names.count - largest.value.count <= 4
  else { return names }
  let inner = withoutWrappers(
    largest.value.map { String(names[$0].dropFirst(largest.key.count + 1)) })
  var result = [String?](repeating: nil, count: names.count)
  for (place, name) in zip(largest.value, inner) { result[place] = name }
  return result
}
