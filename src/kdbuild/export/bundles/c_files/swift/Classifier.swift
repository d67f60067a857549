import CKdbuild
import Foundation

/// What is wrong with a model, or with what it was asked.
public struct KdbuildError: Error, CustomStringConvertible {
    public let description: String

    init(_ code: Int32) { description = String(cString: kdb_message(code)) }
}

/// What a classifier says of a text.
public struct Answer: Sendable {
    /// The label; nil where the model isn't sure enough, or where it gives none of several.
    public let label: String?
    /// All labels that it gives, where a text may have several; else the likeliest alone.
    public let labels: [String]
    /// The probability of each of ``Classifier/labels``.
    public let probabilities: [Double]
    /// How many tokens were read, and how many of them the model doesn't know.
    public let tokens, unknown: Int
    /// Whether the text had more tokens than the model reads.
    public let truncated: Bool
}

/// A classifier in a file, for any number of threads at a time.
public final class Classifier: @unchecked Sendable {  // nothing is written after it is opened
    /// The names of the labels, in the order of the probabilities.
    public let labels: [String]
    private let file: UnsafeMutableRawPointer
    private var model = kdb_model()

    /// Read `model_int8.kdb`, and check all of it.
    public init(contentsOf url: URL) throws {
        let content = try Data(contentsOf: url)
        file = UnsafeMutableRawPointer.allocate(byteCount: max(content.count, 1), alignment: 64)
        content.copyBytes(to: UnsafeMutableRawBufferPointer(start: file, count: content.count))
        let code = kdb_open(&model, file, content.count, UInt32(KDB_VERIFY))
        guard code == KDB_OK else {
            file.deallocate()
            throw KdbuildError(code)
        }
        labels = (0..<Int32(kdb_classes(&model))).map { [model] index in
            withUnsafePointer(to: model) { String(cString: kdb_label($0, index, nil)) }
        }
    }

    deinit { file.deallocate() }

    /// Answer a text; two where the model reads pairs.
    public func classify(_ texts: String...) throws -> Answer {
        try withUnsafePointer(to: model) { model in
            guard texts.count == kdb_texts(model) else { throw KdbuildError(Int32(KDB_ARGUMENT)) }
            let scratch = UnsafeMutableRawPointer.allocate(byteCount: kdb_scratch_size(model), alignment: 64)
            defer { scratch.deallocate() }
            var answer = kdb_answer()
            var logits = [Float](repeating: 0, count: labels.count)
            var probabilities = [Double](repeating: 0, count: labels.count)
            var given = [UInt8](repeating: 0, count: labels.count)
            let bytes = texts.map { ContiguousArray($0.utf8) }
            let code = bytes[0].withUnsafeBytes { first in
                bytes[bytes.count - 1].withUnsafeBytes { last in
                    let both = [first, last].map {
                        kdb_text(data: $0.baseAddress, length: $0.count, encoding: Int32(KDB_UTF8))
                    }
                    return kdb_classify(model, scratch, both, &answer, &logits, &probabilities)
                }
            }
            guard code == KDB_OK else { throw KdbuildError(code) }
            kdb_given(model, logits, &given)
            return Answer(
                label: answer.label < 0 ? nil : labels[Int(answer.label)],
                labels: labels.indices.filter { given[$0] != 0 }.map { labels[$0] },
                probabilities: probabilities,
                tokens: Int(answer.tokens),
                unknown: Int(answer.unknown),
                truncated: answer.truncated != 0
            )
        }
    }
}
