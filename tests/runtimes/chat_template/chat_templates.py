"""Chat templates in the shapes that the families ship: what they print around roles, what they trim, what they refuse.

Written anew after the published templates, without their tool prompts; each keeps the quirks that a mask can trip over.
``TEMPLATES`` are those of plain conversations; ``TOOL_TEMPLATES`` know tools, thoughts or turns of their own as well.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.synthetic.special_tokens import SpecialTokens
from olivepress.synthetic.tokenizer import make_tokenizer

# ruff: noqa: E501
# Phi-4-mini: turns joined without newlines; a text that asks for no answer ends with <|endoftext|> beside <|end|>.
PHI4 = (
    "{% for message in messages %}{% if message['role'] == 'system' and 'tools' in message and message['tools'] is not "
    "none %}{{ '<|system|>' + message['content'] + '<|tool|>' + message['tools'] + '<|/tool|><|end|>' }}{% else %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"
)
# Phi-3.5: a newline after every role and every end; one branch for each role.
PHI3 = (
    "{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}"
    "{{ '<|system|>\n' + message['content'] + '<|end|>\n' }}{% elif message['role'] == 'user' %}"
    "{{ '<|user|>\n' + message['content'] + '<|end|>\n' }}{% elif message['role'] == 'assistant' %}"
    "{{ '<|assistant|>\n' + message['content'] + '<|end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
# Llama 3.1: its own BOS, a system turn with dates even where none was given, contents trimmed.
LLAMA3 = (
    "{{- bos_token }}\n{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}\n"
    "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] | trim %}"
    "{%- set messages = messages[1:] %}{%- else %}{%- set system_message = '' %}{%- endif %}\n"
    "{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}{{- 'Cutting Knowledge Date: December 2023\\n' }}"
    "{{- 'Today Date: ' + date_string + '\\n\\n' }}{{- system_message }}{{- '<|eot_id|>' }}\n"
    "{%- for message in messages %}{%- if 'tool_calls' in message %}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{{- message.tool_calls[0].function | tojson }}"
    "{{- '<|eot_id|>' }}{%- else %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}"
    "{%- endif %}{%- endfor %}\n{%- if add_generation_prompt %}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}\n"
)
# Qwen2.5: ChatML with a default system text.
QWEN25 = (
    "{%- if messages[0]['role'] == 'system' %}{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{%- endif %}\n"
    "{%- for message in messages %}{%- if message.role == 'user' or message.role == 'assistant' %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}{%- endif %}{%- endfor %}\n"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}\n"
)
# Qwen3: the last answer carries an empty thought, and so does the question when thinking is off; earlier ones do not.
QWEN3 = (
    "{%- if messages[0].role == 'system' %}{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{%- endif %}\n"
    "{%- set ns = namespace(last=0) %}{%- for message in messages %}{%- if message.role == 'user' %}"
    "{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}\n"
    "{%- for message in messages %}{%- if message.role == 'user' %}"
    "{{- '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}{%- elif message.role == 'assistant' %}"
    "{%- if loop.index0 > ns.last and loop.last %}"
    "{{- '<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n' + message.content.lstrip('\\n') }}{%- else %}"
    "{{- '<|im_start|>assistant\\n' + message.content }}{%- endif %}{{- '<|im_end|>\\n' }}{%- endif %}{%- endfor %}\n"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}"
)
# Gemma 3: the assistant is "model", the system text goes into the first question, contents trimmed, turns must alternate.
GEMMA3 = (
    "{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{%- set first = messages[0]['content'] + '\n\n' -%}"
    "{%- set turns = messages[1:] -%}{%- else -%}{%- set first = '' -%}{%- set turns = messages -%}{%- endif -%}"
    "{%- for message in turns -%}{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{%- endif -%}"
    "{%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}"
    "{{ '<start_of_turn>' + role + '\n' + (first if loop.first else '') }}{{ message['content'] | trim }}"
    "{{ '<end_of_turn>\n' }}{%- endfor -%}{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"
)
# Mistral v0.3: no generation prompt at all, the system text goes into the last question, the answer ends with EOS.
MISTRAL = (
    "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] %}"
    "{%- set loop_messages = messages[1:] %}{%- else %}{%- set loop_messages = messages %}{%- endif %}\n"
    "{%- set ns = namespace(last=0) %}{%- for message in loop_messages %}{%- if message['role'] == 'user' %}"
    "{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}\n{{- bos_token }}\n"
    "{%- for message in loop_messages %}{%- if message['role'] == 'user' %}"
    "{%- if loop.index0 == ns.last and system_message is defined %}"
    "{{- '[INST] ' + system_message + '\\n\\n' + message['content'] + '[/INST]' }}{%- else %}"
    "{{- '[INST] ' + message['content'] + '[/INST]' }}{%- endif %}{%- elif message['role'] == 'assistant' %}"
    "{{- ' ' + message['content'] | trim + eos_token }}{%- else %}"
    "{{- raise_exception('Only user and assistant roles are supported') }}{%- endif %}{%- endfor %}\n"
)

# name → (model type, smallest vocabulary of it, template, what ends an answer)
TEMPLATES = {
    "phi-4-mini": ("phi3", 200064, PHI4, "<|end|><|endoftext|>"),
    "phi-3.5": ("phi3", 32064, PHI3, "<|end|>\n<|endoftext|>"),
    "llama-3.1": ("llama", 128256, LLAMA3, "<|eot_id|>"),
    "qwen-2.5": ("qwen2", 151936, QWEN25, "<|im_end|>"),
    "qwen-3": ("qwen3", 151936, QWEN3, "<|im_end|>"),
    "gemma-3": ("gemma3_text", 262144, GEMMA3, "<end_of_turn>"),
    "mistral-v0.3": ("mistral", 32768, MISTRAL, "</s>"),
}


@dataclass(frozen=True, kw_only=True)
class Published:
    """``tokens`` are its control tokens; ``end`` what ends an answer, earlier ones too; ``words`` are added tokens
    that are not special."""

    template: str
    tokens: tuple[str, ...]
    end: str
    bos: str | None = None
    words: tuple[str, ...] = ()


# Llama 3.1: tools go into the first question, a call's arguments are called parameters, results are quoted as JSON
# (a text is iterable), one call in a turn.
LLAMA3_TOOLS = (
    "{{- bos_token }}{%- set ns = namespace(system='', first=true) %}{%- for message in messages %}\n"
    "{%- if message.role == 'system' %}{%- set ns.system = message.content | trim %}{%- endif %}{%- endfor %}\n"
    "{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: ' + date_string + '\\n\\n' + ns.system + '<|eot_id|>' }}\n"
    "{%- for message in messages %}\n"
    "{%- if message.role == 'user' and ns.first and tools %}{%- set ns.first = false %}\n"
    "{{- '<|start_header_id|>user<|end_header_id|>\\n\\nAnswer with a call of:\\n\\n' }}\n"
    "{%- for tool in tools %}{{- tool | tojson(indent=4) + '\\n\\n' }}{%- endfor %}{{- message.content | trim + '<|eot_id|>' }}\n"
    "{%- elif 'tool_calls' in message %}\n"
    "{%- if message.tool_calls | length != 1 %}{{- raise_exception('one call at once') }}{%- endif %}\n"
    "{%- set call = message.tool_calls[0].function %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n"
    "{{- '{\"name\": \"' + call.name + '\", \"parameters\": ' }}{{- call.arguments | tojson }}{{- '}<|eot_id|>' }}\n"
    "{%- elif message.role == 'tool' %}{{- '<|start_header_id|>ipython<|end_header_id|>\\n\\n' }}\n"
    "{%- if message.content is iterable %}{{- message.content | tojson }}{%- else %}{{- message.content }}{%- endif %}{{- '<|eot_id|>' }}\n"
    "{%- elif message.role != 'system' %}\n"
    "{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' + message.content | trim + '<|eot_id|>' }}{%- endif %}{%- endfor %}\n"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"
)
# Qwen2.5: tools in a system turn with a text of its own, results within a user turn.
QWEN25_TOOLS = (
    "{%- set own = messages[0].content if messages[0].role == 'system' else 'You are a helpful Qwen.' %}\n"
    "{{- '<|im_start|>system\\n' + own }}{%- if tools %}{{- '\\n\\n<tools>' }}{%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}"
    "{{- '\\n</tools>' }}{%- endif %}{{- '<|im_end|>\\n' }}\n"
    "{%- for message in messages %}\n"
    "{%- if message.role == 'user' or (message.role == 'assistant' and not message.tool_calls) %}\n"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}\n"
    "{%- elif message.role == 'assistant' %}{{- '<|im_start|>assistant' }}\n"
    "{%- if message.content %}{{- '\\n' + message.content }}{%- endif %}\n"
    "{%- for call in message.tool_calls %}{%- set call = call.function %}\n"
    "{{- '\\n<tool_call>\\n{\"name\": \"' + call.name + '\", \"arguments\": ' }}{{- call.arguments | tojson }}{{- '}\\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\\n' }}\n"
    "{%- elif message.role == 'tool' %}{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}\n"
    "{%- endif %}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
# Qwen3: thoughts of the turns before the last question are cut; arguments may be a text; an empty thought is asked with.
QWEN3_TOOLS = (
    "{%- if tools %}{{- '<|im_start|>system\\n' }}{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}"
    "{%- for tool in tools %}{{- (tool | tojson) + '\\n' }}{%- endfor %}{{- '<|im_end|>\\n' }}\n"
    "{%- elif messages[0].role == 'system' %}{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{%- endif %}\n"
    "{%- set ns = namespace(last=0) %}{%- for message in messages %}{%- if message.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}\n"
    "{%- for message in messages %}\n"
    "{%- if message.role == 'user' %}{{- '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}\n"
    "{%- elif message.role == 'assistant' %}{%- set content = message.content %}{%- set thought = '' %}\n"
    "{%- if message.reasoning_content is string %}{%- set thought = message.reasoning_content %}\n"
    "{%- elif '</think>' in content %}{%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}"
    "{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}\n"
    "{%- if loop.index0 > ns.last and (loop.last or thought) %}"
    "{{- '<|im_start|>assistant\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}\n"
    "{%- else %}{{- '<|im_start|>assistant\\n' + content }}{%- endif %}\n"
    "{%- for call in message.tool_calls or [] %}{%- if (loop.first and content) or not loop.first %}{{- '\\n' }}{%- endif %}"
    '{%- set call = call.function %}{{- \'<tool_call>\\n{"name": "\' + call.name + \'", "arguments": \' }}'
    "{%- if call.arguments is string %}{{- call.arguments }}{%- else %}{{- call.arguments | tojson }}{%- endif %}{{- '}\\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\\n' }}\n"
    "{%- elif message.role == 'tool' %}{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}\n"
    "{%- endif %}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}"
)
# Mistral v0.3: tools before the last question; the system text only where a question is the very last message
# (loop.last); ids of nine letters and digits; no text beside calls.
MISTRAL_TOOLS = (
    "{%- if messages[0].role == 'system' %}{%- set system = messages[0].content %}{%- set turns = messages[1:] %}"
    "{%- else %}{%- set turns = messages %}{%- endif %}\n"
    "{%- set asked = turns | selectattr('role', 'equalto', 'user') | list %}{{- bos_token }}\n"
    "{%- for message in turns %}{%- if message.role == 'user' %}\n"
    "{%- if tools and message == asked[-1] %}{{- '[AVAILABLE_TOOLS] ' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}{%- endif %}\n"
    "{%- if loop.last and system is defined %}{{- '[INST] ' + system + '\\n\\n' + message.content + '[/INST]' }}\n"
    "{%- else %}{{- '[INST] ' + message.content + '[/INST]' }}{%- endif %}\n"
    "{%- elif message.tool_calls %}{{- '[TOOL_CALLS] [' }}{%- for call in message.tool_calls %}\n"
    '{{- \'{"name": "\' + call.function.name + \'", "arguments": \' + (call.function.arguments | tojson) }}\n'
    "{%- if call.id is not defined or call.id | length != 9 %}{{- raise_exception('ids of calls have 9 letters and digits') }}{%- endif %}\n"
    "{{- ', \"id\": \"' + call.id + '\"}' }}{%- if not loop.last %}{{- ', ' }}{%- endif %}{%- endfor %}{{- ']' + eos_token }}\n"
    "{%- elif message.role == 'assistant' %}{{- ' ' + message.content | trim + eos_token }}\n"
    "{%- elif message.role == 'tool' %}{{- '[TOOL_RESULTS] {\"content\": ' + message.content | string + ', \"call_id\": \"' + message.tool_call_id + '\"}[/TOOL_RESULTS]' }}\n"
    "{%- endif %}{%- endfor %}"
)
# Hermes: two templates by name; the one for tools is taken where there are any.
HERMES = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
HERMES_TOOLS = QWEN25_TOOLS.replace("You are a helpful Qwen.", "You call functions.")
# Granite 3: roles between tokens of their own, tools in a turn called available_tools.
GRANITE = (
    "{%- if tools %}{{- '<|start_of_role|>available_tools<|end_of_role|>' + (tools | tojson(indent=4)) + '<|end_of_text|>\\n' }}{%- endif %}\n"
    "{%- for message in messages %}\n"
    "{%- if message.role == 'assistant' and message.tool_calls %}{{- '<|start_of_role|>assistant<|end_of_role|><|tool_call|>' }}"
    "{{- message.tool_calls | map(attribute='function') | list | tojson }}{{- '<|end_of_text|>\\n' }}\n"
    "{%- else %}{{- '<|start_of_role|>' + ('tool_response' if message.role == 'tool' else message.role) + '<|end_of_role|>' + message.content + '<|end_of_text|>\\n' }}{%- endif %}\n"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|start_of_role|>assistant<|end_of_role|>' }}{%- endif %}"
)
# Command R: tools are written out as Python's signatures, calls as a list of actions, results between tags.
COMMAND_R = (
    "{{- bos_token }}{%- if messages[0].role == 'system' %}{{- '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>' + messages[0].content + '<|END_OF_TURN_TOKEN|>' }}{%- endif %}\n"
    "{%- if tools %}{{- '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>' }}{%- for tool in tools %}{%- set tool = tool.function %}\n"
    "{{- 'def ' + tool.name + '(' + (tool.parameters.properties.keys() | join(', ')) + '):\\n    ' + tool.description + '\\n' }}{%- endfor %}{{- '<|END_OF_TURN_TOKEN|>' }}{%- endif %}\n"
    "{%- for message in messages %}\n"
    "{%- if message.role == 'user' %}{{- '<|START_OF_TURN_TOKEN|><|USER_TOKEN|>' + message.content.strip() + '<|END_OF_TURN_TOKEN|>' }}\n"
    "{%- elif message.role == 'assistant' and message.tool_calls %}{{- '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>Action: [' }}{%- for call in message.tool_calls %}\n"
    "{{- '{\"tool_name\": \"' + call.function.name + '\", \"parameters\": ' + (call.function.arguments | tojson) + '}' }}{%- endfor %}{{- ']<|END_OF_TURN_TOKEN|>' }}\n"
    "{%- elif message.role == 'assistant' %}{{- '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' + message.content.strip() + '<|END_OF_TURN_TOKEN|>' }}\n"
    "{%- elif message.role == 'tool' %}{{- '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|><results>' + message.content + '</results><|END_OF_TURN_TOKEN|>' }}{%- endif %}{%- endfor %}\n"
    "{%- if add_generation_prompt %}{{- '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{%- endif %}"
)
# DeepSeek R1: calls only of a message whose content is none, arguments a text, every answer's thoughts are cut.
DEEPSEEK_R1 = (
    "{{- bos_token }}{%- if messages[0].role == 'system' %}{{- messages[0].content }}{%- endif %}\n"
    "{%- for message in messages %}\n"
    "{%- if message.role == 'user' %}{{- '<|User|>' + message.content }}\n"
    "{%- elif message.role == 'assistant' and message.content is none %}{{- '<|Assistant|>' }}{%- for call in message.tool_calls %}\n"
    "{{- '<|call|>' + call.type + '<|sep|>' + call.function.name + '\\n```json\\n' + call.function.arguments + '\\n```<|/call|>' }}{%- endfor %}{{- eos_token }}\n"
    "{%- elif message.role == 'assistant' %}{{- '<|Assistant|>' + message.content.split('</think>')[-1] + eos_token }}\n"
    "{%- elif message.role == 'tool' %}{{- '<|output|>' + message.content + '<|/output|>' }}{%- endif %}{%- endfor %}\n"
    "{%- if add_generation_prompt %}{{- '<|Assistant|>' }}{%- endif %}"
)
# R1 of later date asks with an opened thought, which no answer that is rendered begins with.
DEEPSEEK_R1_OPENED = DEEPSEEK_R1.replace(
    "{{- '<|Assistant|>' }}{%- endif %}", "{{- '<|Assistant|><think>\\n' }}{%- endif %}"
)
# Marks the assistant's text for transformers' own mask.
GENERATION = (
    "{{- bos_token }}{%- for message in messages %}{%- if message.role == 'assistant' %}{{- '<|im_start|>assistant\\n' }}"
    "{%- generation %}{%- if message.tool_calls %}{%- for call in message.tool_calls %}"
    "{{- '<tool_call>{\"name\": \"' + call.function.name + '\", \"arguments\": ' + (call.function.arguments | tojson) + '}</tool_call>' }}{%- endfor %}"
    "{%- else %}{{- message.content }}{%- endif %}{{- '<|im_end|>' }}{%- endgeneration %}{{- '\\n' }}"
    "{%- else %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)

_CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_LLAMA = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
_MISTRAL = (
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_CALLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
)
_COHERE = (
    "<BOS_TOKEN>",
    "<|START_OF_TURN_TOKEN|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|SYSTEM_TOKEN|>",
    "<|USER_TOKEN|>",
    "<|CHATBOT_TOKEN|>",
)
_DEEPSEEK = (
    "<|begin|>",
    "<|end|>",
    "<|User|>",
    "<|Assistant|>",
    "<|call|>",
    "<|/call|>",
    "<|sep|>",
    "<|output|>",
    "<|/output|>",
)
_THINKING = ("<think>", "</think>", "<tool_call>", "</tool_call>")
TOOL_TEMPLATES = {
    "llama-3.1": Published(template=LLAMA3_TOOLS, tokens=_LLAMA, end="<|eot_id|>", bos="<|begin_of_text|>"),
    "qwen-2.5": Published(template=QWEN25_TOOLS, tokens=_CHATML, end="<|im_end|>", words=_THINKING[2:]),
    "qwen-3": Published(template=QWEN3_TOOLS, tokens=_CHATML, end="<|im_end|>", words=_THINKING),
    "mistral-v0.3": Published(template=MISTRAL_TOOLS, tokens=_MISTRAL, end="</s>", bos="<s>"),
    "granite-3": Published(
        template=GRANITE,
        tokens=("<|start_of_role|>", "<|end_of_role|>", "<|tool_call|>", "<|end_of_text|>"),
        end="<|end_of_text|>",
    ),
    "command-r": Published(template=COMMAND_R, tokens=_COHERE, end="<|END_OF_TURN_TOKEN|>", bos="<BOS_TOKEN>"),
    "deepseek-r1": Published(template=DEEPSEEK_R1, tokens=_DEEPSEEK, end="<|end|>", bos="<|begin|>"),
    "deepseek-r1-opened": Published(template=DEEPSEEK_R1_OPENED, tokens=_DEEPSEEK, end="<|end|>", bos="<|begin|>"),
    "generation": Published(
        template=GENERATION, tokens=_CHATML, end="<|im_end|>", bos="<|endoftext|>", words=_THINKING[2:]
    ),
}


def make_published(directory: Path, published: Published, *, vocabulary: int = 640) -> Any:
    """Tokenizer, template and generation_config of a published template in ``directory``; the Hugging Face tokenizer."""
    from transformers import AutoTokenizer

    tokens = (*published.tokens, *published.words)
    ids = {token: vocabulary - len(tokens) + place for place, token in enumerate(tokens)}
    specials = SpecialTokens(
        ids=ids, bos=published.bos, eos=published.end, pad=published.end, end_of_turn=published.end,
        chat_template=published.template,
    )  # fmt: skip
    make_tokenizer(vocabulary, specials, directory)
    for name, listed in (("tokenizer.json", "added_tokens"), ("tokenizer_config.json", "added_tokens_decoder")):
        content = json.loads((directory / name).read_text())
        entries = content[listed].values() if isinstance(content[listed], dict) else content[listed]
        for entry in entries:
            entry["special"] = entry["content"] not in published.words
        (directory / name).write_text(json.dumps(content))
    (directory / "generation_config.json").write_text(json.dumps({"eos_token_id": ids[published.end]}))
    return AutoTokenizer.from_pretrained(directory)
