"""The differences between what torch and ours make of bad calls that stay, each with its reason, and the outcomes they are told by.

Read next: `bad_calls.py`, which compares.
"""

from __future__ import annotations

from typing import NamedTuple


class Excuse(NamedTuple):
    """A kind of difference that stays: the rows it is of, its outcome, words of the call and what both made of it, and why."""

    rows: str  # a pattern of the whole name
    outcome: str | None  # None: any
    words: str  # a pattern of "(arguments) [mistake] torch: … ours: …"
    why: str


SAME_TYPE, OTHER_TYPE = "both raised, the same type", "both raised, another type"
NEAR_TYPE = "both raised, a subclass of torch's, or our TypeError where torch trips"
ACCEPTED, REFUSED = "accepted only here", "refused only here"
EQUAL, DIFFERENT = "both accepted, equal", "both accepted, different values"
CHANGED, NOT_IN_WORDS = "raised here, but arguments changed", "raised here, in NumPy's or Python's words"
OUTCOMES = (SAME_TYPE, EQUAL, NEAR_TYPE, OTHER_TYPE, ACCEPTED, REFUSED, DIFFERENT, CHANGED, NOT_IN_WORDS)

ANY = ".*"
EXCUSES = [
    Excuse(ANY, ACCEPTED, "storage that is not resizable", "torch never resizes memory that NumPy has seen, as it has here"),
    # In all functions.
    Excuse(
        ANY, None, r"\d{19}", "an int beyond 64 bits may be told to be out of range, and a number beyond them may be taken"
    ),
    Excuse(ANY, None, "INTERNAL ASSERT|to be true, but got false", "an assertion of torch's own fails"),
    Excuse(
        ANY, None, "Autograd not support dtype", "a result that can have no gradient is refused late, when it is recorded"
    ),
    Excuse(ANY, None, r"\b1j\b", "there are no complex numbers here"),
    Excuse(
        ANY,
        OTHER_TYPE,
        "torch: .*(Boolean value of Tensor|truth value of an array)",
        "torch asks for a value's truth before its kind",
    ),
    Excuse(
        ANY,
        OTHER_TYPE,
        "torch: ValueError: .* is not a valid value for reduction",
        "of two mistakes torch tells the reduction first",
    ),
    Excuse(ANY, OTHER_TYPE, "torch: ValueError: dropout probability", "of two mistakes torch tells the probability first"),
    Excuse(
        ANY,
        OTHER_TYPE,
        r"torch: IndexError: (Dimension (out of|specified)|too many indices|index out of range)",
        "dims are read first",
    ),
    Excuse(
        ANY, OTHER_TYPE, "torch: NotImplementedError: .*not implemented for", "of two mistakes torch tells the dtype first"
    ),
    Excuse(
        ANY,
        ACCEPTED,
        r"None.*torch: TypeError: .*(invalid combination|must be \w+, not NoneType|must be torch.dtype, not None)",
        "None stands for the default",
    ),
    Excuse(
        ANY,
        ACCEPTED,
        r"(torch\.(tensor|ones|zeros)|NumPy\(\)|np\.).*torch: (TypeError|RuntimeError: start must)",
        "one element stands for an int in more places",
    ),
    Excuse(
        ANY,
        REFUSED,
        r"(torch\.(tensor|ones|zeros)\(|NumPy\(\)).*ours: TypeError: ",
        "one element stands for a number in some of torch's parsers",
    ),
    Excuse(
        ANY,
        OTHER_TYPE,
        r"(torch\.(tensor|ones|zeros)\(|NumPy\().*ours: (Type|Value)Error: ",
        "a tensor or array where a number belongs is told by its kind",
    ),
    Excuse(
        ANY,
        OTHER_TYPE,
        r"(\bnp\.|dtype\(|class ).*torch: AttributeError",
        "NumPy's numbers and types have some of a tensor's attributes",
    ),
    Excuse(
        ANY, REFUSED, r"an unknown keyword.*'axis'", "axis stands for dim in every method of torch's, here in reductions"
    ),
    Excuse(
        ANY,
        ACCEPTED,
        r"an unknown keyword.*torch: TypeError",
        "NumPy's names are taken by functions that torch writes in Python",
    ),
    Excuse(
        r"\w+\.__\w+",
        REFUSED,
        "returned a NotImplementedType",
        "an operator called by name gives NotImplemented for any mistake in torch",
    ),
    # Where torch does not agree with itself, or says it late.
    Excuse(
        "broadcast_shapes",
        None,
        "in place of",
        "the type depends on which shape comes first; nothing or text counts as no shape",
    ),
    Excuse("(torch.|x.)?round", ACCEPTED, "round_vml_cpu", "round(x) takes integers, round(x, decimals=0) does not"),
    Excuse("prod|x.prod", REFUSED, "keepdim", "without a dim, keepdim is ignored, whatever it is"),
    Excuse(
        r"([xn]\.|torch\.)?(clamp|clip)",
        None,
        "invalid combination",
        "a bound that is a number beside one that is a tensor is refused",
    ),
    Excuse(r"(x\.|torch\.)?clamp_(min|max)", OTHER_TYPE, "None in place of", "a bound that is left out is told by clamp"),
    Excuse(
        r"([xn]\.|torch\.)?(max|min)",
        None,
        "invalid combination|must be int, not",
        "the forms of max (with dim, with other) are told apart by the parser",
    ),
    Excuse(
        "(torch.)?(var|std)(_mean)?|x.(var|std)",
        None,
        "bool|True|False|nan",
        "a bool for dim is the old unbiased=; a correction of nan",
    ),
    Excuse("(torch.)?normal", ACCEPTED, "invalid combination", "sizes beside tensors are ignored"),
    Excuse(
        "(torch.)?tensor_split|(x.)?repeat_interleave|torch.repeat_interleave",
        None,
        "invalid combination|repeats",
        "forms of the parser",
    ),
    Excuse(
        r"batch_norm|instance_norm",
        ACCEPTED,
        r"shape \((1, \d+|)\)",
        "running statistics of another rank are refused by accident",
    ),
    Excuse("(F.)?group_norm", OTHER_TYPE, "ZeroDivisionError", "no groups: torch divides first"),
    Excuse(
        "(F.)?cross_entropy|nn.CrossEntropyLoss.*",
        OTHER_TYPE,
        "expected target dtype",
        "of two mistakes the dtype of the target is told first",
    ),
    Excuse(
        "(F.)?(cross_entropy|kl_div|cosine_similarity|instance_norm|(poisson|gaussian)_nll_loss|multilabel_soft_margin_loss)|"
        "nn.(BCE|CrossEntropy|KL|Poisson|MultiLabelSoft).*|einsum",
        DIFFERENT,
        r"float32|torch\.(ones|tensor)",
        "of two dtypes the result has another than promotion gives",
    ),
    Excuse(
        "(F.)?(cross_entropy|cosine_similarity)",
        None,
        "label_smoothing|eps|False|True",
        "an option that is a tensor or a bool is computed with as such",
    ),
    Excuse("(F.)?(elu|celu)", DIFFERENT, "inf|nan", "a factor that is no number times 0"),
    Excuse(
        "addr|addmm|(eq|ne|lt|le|gt|ge)",
        DIFFERENT,
        "bool|inf|requires_grad",
        "products of bools, infinity times nothing, comparisons in place that want a gradient",
    ),
    Excuse("matmul", OTHER_TYPE, "bmm", "a product of matrices of bools is refused before their dtypes are compared"),
    Excuse("kron", ACCEPTED, "view size", "what cannot be viewed is refused, whether or not it could be copied"),
    Excuse(
        "(x.)?(index_(fill|add|put|select) ?|put|scatter(_add)?)",
        None,
        "shape|torch.tensor|in place of",
        "what is wrong with indices is found deep inside",
    ),
    Excuse(
        "setitem|getitem|x.__[gs]etitem|data.TensorDataset.*",
        None,
        r"np\.|None,|uint8|\{\}|'a'|'mean'|NumPy",
        "keys and values of other kinds",
    ),
    Excuse("(x.)?masked_fill", ACCEPTED, "without overflow", "a value beyond the dtype is taken as NumPy takes it"),
    Excuse(
        "x.logsumexp|logsumexp", ACCEPTED, "output with shape", "no dims at all is refused by torch for a shape of its own"
    ),
    Excuse(
        "(torch.)?tensordot",
        None,
        "dims|position 2|one argument too many|dtype",
        "dims of other kinds are unpacked before they are looked at",
    ),
    Excuse(
        "torch.tensordot|torch.(add|mul|div|pow|sub)|add|mul|x.(add|sub)",
        REFUSED,
        "one argument too many|options by position|given twice|out:|in place of a tensor",
        "old forms: alpha first, two numbers, out= of any kind",
    ),
    Excuse(
        r"(x|net)\.to",
        None,
        "ours: (TypeError|RuntimeError): |returned",
        "a number counts as a tensor whose dtype and device are taken",
    ),
    Excuse(
        "torch.exp",
        DIFFERENT,
        "in place of",
        "of integers the result is computed in the default dtype, before it goes to out=",
    ),
    Excuse("torch.(linspace|logspace)", DIFFERENT, "inf|nan", "no numbers between infinities"),
    Excuse(
        "torch.(arange|ones|zeros|device|Generator.*|tensor|Tensor|asarray)|x.new_tensor|data.default_collate",
        None,
        "in place of",
        "sizes and data of other kinds; there is no such GPU",
    ),
    Excuse(r"torch\.autograd\.(grad|backward)|.*\.backward", ACCEPTED, "OverflowError", "flags are read as bytes of C"),
    Excuse(
        "nn.(Sequential|ParameterList|ParameterDict|LeakyReLU|BatchNorm..)(.*)",
        DIFFERENT,
        "in place of|swapped|too many",
        "layers and containers print what they hold in another way",
    ),
    Excuse(
        "nn.(Unflatten|RMSNorm|LayerNorm|Embedding|Bilinear)",
        None,
        "in place of",
        "layers look at their sizes before or after they use them",
    ),
    Excuse(r"nn\.init\.\w+", REFUSED, "gain", "a gain of another kind is multiplied with, by NumPy or by torch"),
    Excuse(
        r"nn\.utils\.\w+", None, "in place of|element", "what is no list of tensors is found when part of the work is done"
    ),
    Excuse(
        r"net\.(state_dict|get_submodule|zero_grad)",
        None,
        "in place of|too many",
        "a name that is no text, a flag without a truth",
    ),
    Excuse(
        "(F.)?(glu|huber_loss|hardtanh|softmax)|concat|nanmean|unflatten|div|x.div|x?.?split|x.unflatten|x.narrow|narrow|kthvalue|norm",
        None,
        ";|in place of|keyword",
        "of two mistakes, the one that is told first is no promise",
    ),
    Excuse(
        "torch.utils.checkpoint.checkpoint_sequential|torch.randint.*|median|x.squeeze|x.copy_?|x.sum",
        None,
        "in place of|too many|missing",
        "forms that one parser takes and another refuses",
    ),
    Excuse(
        "(F.)?linear_cross_entropy",
        None,
        "_linear_cross_entropy_batch_chunked|acc_dtype|expected (linear_|one class)|in place of a tensor|unhashable|weight has one",
        "in chunks, torch's parser of custom ops tells of mistakes, or nobody does",
    ),
    Excuse(
        "(F.)?(triplet_margin_with_distance_loss|multi_margin_loss|gaussian_nll_loss)|"
        "nn.(TripletMarginWithDistance|GaussianNLL|AdaptiveLogSoftmax|LinearCrossEntropy).*",
        OTHER_TYPE,
        "in place of",
        "losses that torch writes in Python look at types last, if at all",
    ),
    Excuse(
        "(F.)?gaussian_nll_loss|nn.GaussianNLLLoss.*",
        REFUSED,
        r"NumPy\(",
        "a target that is NumPy's goes through torch's operators",
    ),
    Excuse(
        "(F.)?poisson_nll_loss", DIFFERENT, "in place of float64", "beside the exponential of integers, of the default dtype"
    ),
    Excuse(
        "(F.)?(grid_sample|interpolate|upsample)",
        OTHER_TYPE,
        "must be str",
        "torch compares words, and tells of what is none as of a wrong one",
    ),
    Excuse("(F.)?lp_pool.*", OTHER_TYPE, "too many values to unpack|not enough values", "torch unpacks what it is given"),
    Excuse(
        "margin_ranking_loss", REFUSED, "same dimension", "at the top level other dimensions are refused as in nn.functional"
    ),
    Excuse(
        "(F.)?conv_transpose.*",
        REFUSED,
        "TimeoutError",
        "a stride of 100 makes millions of numbers, and whole ones are slow",
    ),
    Excuse("addmv", OTHER_TYPE, r"shape \(\) in place", "a matrix without dimensions is refused by the product"),
    Excuse("(F.)?interpolate", REFUSED, "must be bool", "torch takes what is true for a flag"),
    Excuse(
        "lstm|gru|rnn_tanh|rnn_relu|gru_cell|lstm_cell",
        REFUSED,
        "expected a bias of shape|expects a bias of shape|a bias of minitorch",
        "a bias is a number for each row of its weight, in its dtype; torch adds what broadcasts or promotes",
    ),
    Excuse("rnn_.*_cell", OTHER_TYPE, "first dim must be", "a weight without columns is noticed by its missing dimension"),
    Excuse(
        "lstm|gru|rnn_tanh|rnn_relu",
        REFUSED,
        "hidden state for each|batch_sizes add up|expected input \\(L, N|more hidden states",
        "there is a state for each sequence, and all rows belong to one; torch broadcasts, or leaves rows over",
    ),
    Excuse("addmm|mm|bmm|baddbmm", OTHER_TYPE, r"aten::\w+\.dtype", "torch has a form with a dtype that only GPUs can run"),
    Excuse(
        "(F.)?batch_norm",
        OTHER_TYPE,
        "; position.*torch: (ValueError: batch_norm eps|IndexError: tuple index)",
        "of two mistakes, torch tells the one that its Python lines see first",
    ),
]
