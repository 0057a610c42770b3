"""Bodies of the page's calls, which are checked before Gradio reads them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .routes import SESSION

_Index = Annotated[int, Field(ge=0, lt=2**31)]
_Number = Annotated[int, Field(ge=-(2**53), le=2**53)] | Annotated[float, Field(allow_inf_nan=False)]
_Plain = str | bool | _Number | None


class _Call(BaseModel):
    """An event, or a call of a server function.

    Values are plain: Gradio copies each file that a value describes into its cache and fetches each address.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    session_hash: Annotated[str, Field(pattern=f"^{SESSION}$")]
    data: list[_Plain] | dict[str, _Plain]
    event_data: dict[str, _Plain] | None = None
    fn_index: _Index | None = None
    trigger_id: _Index | None = None
    component_id: _Index | None = None
    fn_name: str | None = None


def checked(body: bytes) -> bytes | None:
    """Return the body of a call with the fields that the page sends; None where it is another one."""
    try:
        return _Call.model_validate_json(body).model_dump_json(exclude_unset=True).encode()
    except (ValidationError, UnicodeEncodeError):
        return None
